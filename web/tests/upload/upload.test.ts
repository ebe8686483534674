import { expect, test } from "vitest";

import { uploadProblem } from "../../src/upload/answer";
import { bodyOf } from "../../src/upload/upload";

const xml = (code: string, message: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><RequestId>1</RequestId></Error>`;

test("the fields are sent in their order, and the file last", async () => {
  const file = new File(["photo"], "a.jpg", { type: "image/jpeg" });
  const fields = { key: "users/u/jobs/j/image", policy: "p", "Content-Type": "image/jpeg", "x-amz-signature": "s" };
  const body = bodyOf(fields, file);
  expect([...body.keys()]).toEqual([...Object.keys(fields), "file"]);
  expect(await (body.get("file") as File).text()).toBe("photo");
});

test("S3 takes a file without words", () => {
  expect(uploadProblem(204, "")).toBeNull();
});

test.each([
  [400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", "image_too_large"],
  [400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", "image_empty"],
  [403, "AccessDenied", "Invalid according to Policy: Policy expired.", "upload_expired"],
  [400, "ExpiredToken", "The provided token has expired.", "upload_expired"],
  [403, "AccessDenied", "Invalid according to Policy: Policy Condition failed", "upload_refused"],
  [400, "RequestTimeout", "Your socket connection to the server was not read from", "timeout"],
  [503, "SlowDown", "Please reduce your request rate.", "service_unavailable"],
])("S3's %i %s (%s) is %s", (status, code, message, expected) => {
  expect(uploadProblem(status, xml(code, message))).toMatchObject({
    code: expected,
    status,
    details: { s3: code, message },
  });
});

test("an answer that is not S3's is a refusal too", () => {
  expect(uploadProblem(403, "<html>Forbidden</html>")).toMatchObject({ code: "upload_refused", details: { s3: "" } });
});
