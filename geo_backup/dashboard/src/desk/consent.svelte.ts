/** What the desk is asked before it takes something from somebody: the loss in words, and a yes that is one key. */

export interface Question {
  title: string;
  /** What is lost by it, a line each. */
  losses: readonly string[];
  yes: string;
  no: string;
  /** What may be done in its place. */
  instead?: { words: string; act: () => unknown };
  /** A reason is asked for too, and this stands above the reasons; without one is an answer as well. */
  reasons?: string;
  act: (reason: string) => unknown;
}

class Consent {
  /** What is asked now; another question takes its place. */
  asked = $state.raw<Question | null>(null);

  ask(asked: Question): void {
    this.asked = asked;
  }

  give(reason = ""): void {
    const { asked } = this;
    this.asked = null;
    void asked?.act(reason.trim());
  }

  giveInstead(): void {
    const { asked } = this;
    this.asked = null;
    void asked?.instead?.act();
  }

  leave(): void {
    this.asked = null;
  }
}

export const consent = new Consent();
