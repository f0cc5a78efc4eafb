/** A certified OpenID provider on loopback, with three people and one machine. Every start has new keys. */
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

const { port, redirect, secret } = JSON.parse(process.argv[2]);
const PEOPLE = {
  lind: { name: "Eva Lind", realm_access: { roles: ["cad-desk"] }, agency: "police", units: ["P-17"] },
  berg: { name: "Per Berg", realm_access: { roles: ["cad-chief", "other"] }, agency: "*" },
  guest: { name: "Guest", realm_access: { roles: ["canteen"] }, agency: "police" },
};
const MACHINE = { realm_access: { roles: ["cad-desk"] }, agency: "*" };
const keys = [];
for (const alg of ["RS256", "ES256", "Ed25519"]) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const made = { ...(await exportJWK(privateKey)), use: "sig", kid: `${alg}-${Date.now()}-${Math.random()}` };
  keys.push(alg === "Ed25519" ? made : { ...made, alg }); // without: it signs by either name, EdDSA and Ed25519
}

const API = { scope: "openid", accessTokenFormat: "jwt", accessTokenTTL: 600 };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys },
  clients: [
    {
      client_id: "desk", client_secret: secret, redirect_uris: [redirect], id_token_signed_response_alg: "ES256",
      grant_types: ["authorization_code", "refresh_token"],
    },
    { client_id: "cad", client_secret: "machine", redirect_uris: [], response_types: [], grant_types: ["client_credentials"] },
  ],
  cookies: { keys: ["a secret of the tests"] },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  conformIdTokenClaims: false,
  issueRefreshToken: (_, client, code) => client.grantTypeAllowed("refresh_token") && code.accountId !== "berg",
  claims: { openid: ["sub", "realm_access", "agency", "units"], profile: ["name"] },
  findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
  extraTokenClaims: (_, token) => PEOPLE[token.accountId] ?? MACHINE,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:geo-backup",
      useGrantedResource: () => true,
      // the audience is the resource's name, and its last part the algorithm where one is named
      getResourceServerInfo: (_, name) => ({ ...API, audience: name.split("~")[0], jwt: { sign: { alg: name.split("~")[1] ?? "RS256" } } }),
    },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile");
    grant.addResourceScope("urn:geo-backup", "openid");
    await grant.save();
    return grant;
  },
});

const rest = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return rest(request, response);
  if (request.method === "GET") {
    response.setHeader("Content-Type", "text/html");
    return response.end('<form method="post"><input name="login" autofocus><button>Sign in</button></form>');
  }
  let body = "";
  for await (const part of request) body += part;
  const login = { accountId: new URLSearchParams(body).get("login") };
  await provider.interactionFinished(request, response, { login });
}).listen(port, "127.0.0.1", () => console.log("ready"));
