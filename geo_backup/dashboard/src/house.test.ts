/** How this house is built: no circle of files, no words outside the files of words. */
import { parse } from "svelte/compiler";
import { describe, expect, it } from "vitest";

const RAW = import.meta.glob<string>(["./**/*.ts", "./**/*.svelte", "!./**/*.test.ts"], { query: "?raw", import: "default", eager: true });
const text = Object.fromEntries(Object.entries(RAW).map(([path, said]) => [path.slice(2), said]));
const files = Object.keys(text);
const beside = (name: string, path: string): string => new URL(path, `file:///${name}`).pathname.slice(1);
const imports = (name: string): string[] =>
  [...text[name]!.matchAll(/(?:from |import\(|import )"(\.[^"]+)"/g)].flatMap(([, path]) => {
    const to = beside(name, path!);
    return [to, `${to}.ts`, `${to}/index.ts`].filter((found) => found in text);
  });

describe("the files", () => {
  it("form no circle", () => {
    const done = new Set<string>();
    const walk = (name: string, way: string[]): void => {
      expect(way, [...way, name].join(" -> ")).not.toContain(name);
      if (done.has(name)) return;
      for (const next of imports(name)) walk(next, [...way, name]);
      done.add(name);
    };
    for (const name of files) walk(name, []);
    expect(files.length).toBeGreaterThan(30);
    expect(imports("desk/orders.ts")).toContain("desk/desk.svelte.ts");
  });

  it("each say their one idea first", () => {
    const silent = files.filter((name) => !/^(<script lang="ts">\n\s*)?\/\*\* /.test(text[name]!));
    expect(silent).toEqual([]);
  });
});

describe("styles", () => {
  const STYLES = import.meta.glob<string>("./style.css", { query: "?raw", import: "default", eager: true });
  const styles = { ...STYLES, ...Object.fromEntries(files.filter((name) => name.endsWith(".svelte")).map((name) => [name, /<style>(.*)<\/style>/s.exec(text[name]!)?.[1] ?? ""])) };

  it("say sizes in rem, so that the browser's own size of text counts", () => {
    const fixed = Object.entries(styles).flatMap(([name, style]) =>
      [...style.matchAll(/(?<![\w-])(?:font|font-size|(?:min-|max-)?(?:width|height)|gap|(?:padding|margin)[\w-]*|top|left|right|bottom)\s*:[^;{}]*[\s:(](?:[4-9]|\d\d+)(?:\.\d+)?px/g)].map(([said]) => `${name}: ${said.trim()}`),
    );
    expect(fixed).toEqual([]);
  });
});

describe("words", () => {
  const WORD = /\p{L}{2,}/u;
  const READ = new Set(["aria-label", "title", "placeholder", "alt"]);
  type Node = { type?: string; name?: string; data?: string; value?: unknown; children?: Node[] };

  function found(node: unknown, inside: string): string[] {
    if (Array.isArray(node)) return node.flatMap((part) => found(part, inside));
    if (!node || typeof node !== "object") return [];
    const { type, name, data } = node as Node;
    if (type === "Comment" || name === "kbd") return []; // the name on a key is no word
    if (type === "Text") return inside !== "attribute" && WORD.test(data!) ? [data!] : [];
    if (type === "Literal" || type === "TemplateElement") {
      const value = (node as Node).value;
      const said = typeof value === "string" ? value : ((value as { raw?: string } | null)?.raw ?? "");
      return /\p{L}{2,} \p{L}{2,}/u.test(said) ? [said] : [];
    }
    const next = type === "Attribute" ? (READ.has(name!) ? "read" : "attribute") : inside;
    if (next === "attribute") return [];
    return Object.values(node).flatMap((part) => found(part, next));
  }

  it.each(files.filter((name) => name.endsWith(".svelte")))("are not in %s", (name) => {
    expect(found(parse(text[name]!, { modern: true }).fragment, "page")).toEqual([]);
  });

  it("are not in what is no component either", () => {
    const elsewhere = files.filter((name) => name.endsWith(".ts") && !name.startsWith("words/"));
    const sentences = elsewhere.flatMap((name) => [...text[name]!.matchAll(/["`]([A-Z][a-z]+ [^"`\n]*[.:?])["`]/g)].map(([, said]) => `${name}: ${said}`));
    expect(sentences).toEqual([]);
  });
});
