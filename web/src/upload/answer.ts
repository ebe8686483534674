/** What S3 answers to an upload, as a Problem. Sends nothing itself. */

import { Problem } from "../api/problem";

/**
 * The Problem in S3's answer to a form; null where it has taken the file.
 *
 * Errors are XML, https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, whose fields are flat.
 */
export function uploadProblem(status: number, text: string): Problem | null {
  if (status >= 200 && status < 300) return null;
  const code = fieldIn(text, "Code");
  const message = fieldIn(text, "Message");
  const details = { s3: code, message };
  const made = (name: string, words: string) => new Problem(name, words, details, status);
  if (code === "EntityTooLarge")
    return made("image_too_large", "The photo is larger than it may be. Take a smaller one.");
  if (code === "EntityTooSmall") return made("image_empty", "The file is empty. Take another one.");
  if (code === "ExpiredToken" || (code === "AccessDenied" && /expired/i.test(message))) {
    return made("upload_expired", "The time for this upload is over. Start it again.");
  }
  if (code === "RequestTimeout") return made("timeout", "The upload came to a standstill. Try again.");
  if (status >= 500 || status === 429) {
    return made("service_unavailable", "The upload does not work just now. Try again in a minute.");
  }
  return made("upload_refused", `The photo is refused${code === "" ? "" : ` (${code})`}. Start again with the photo.`);
}

function fieldIn(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "";
}
