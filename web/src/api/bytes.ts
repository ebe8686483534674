/** A picture's bytes, from S3 or from beside the page. Knows neither the API nor what is in them. */

import { Problem } from "./problem";

/**
 * Fetches a file.
 *
 * @returns Null where it is not there, or its link works no more. Rejects with the Problem `offline`.
 */
export async function bytesAt(url: string): Promise<Blob | null> {
  try {
    const answer = await fetch(url);
    return answer.ok ? await answer.blob() : null;
  } catch {
    throw new Problem("offline", "The picture cannot be fetched. Check your connection, and try again.");
  }
}
