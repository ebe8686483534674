/** What went wrong, in words that say what to do. Knows neither who asked nor how it is shown. */

export class Problem extends Error {
  override readonly name = "Problem";

  /**
   * @param code Stays the same whatever the words: the service's own codes, and the page's.
   * @param message For people.
   * @param details What the service adds, such as the number of a box.
   * @param status That of the HTTP answer, where there was one.
   */
  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    readonly status: number | null = null,
  ) {
    super(message);
  }
}

/** Whatever was thrown, as a Problem: `aborted` where it was stopped on purpose, `page_failed` where nobody saw it coming. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof DOMException && thrown.name === "AbortError") return new Problem("aborted", "It was stopped.");
  const problem = new Problem("page_failed", "The page made a mistake. Reload it, and try again.");
  problem.cause = thrown;
  return problem;
}
