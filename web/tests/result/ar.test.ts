import { describe, expect, it } from "vitest";
import { arKindOf, linkEnd, sceneViewerLink } from "../../src/result/ar";

const PIXEL = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36";

describe("augmented reality", () => {
  it.each([
    [
      "Safari on an iPhone, which knows rel=ar",
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)",
      true,
      "quick-look",
    ],
    ["Chrome on Android", PIXEL, false, "scene-viewer"],
    ["Firefox on Android", "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", false, null],
    ["a headset", "Mozilla/5.0 (X11; Linux; Android 12; Quest 3) OculusBrowser/30.0", false, null],
    ["a desk", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36", false, null],
  ])("on %s", (_, agent, opensAr, kind) => {
    expect(arKindOf(agent, opensAr)).toBe(kind);
  });

  it("hands Scene Viewer the whole signed link", () => {
    const signed =
      "https://b.s3.eu-west-1.amazonaws.com/a/object-0.glb?X-Amz-Date=20260101T000000Z&X-Amz-Signature=ab%2Bc";
    const link = sceneViewerLink(signed, "Object 1, cup & saucer", "https://page.example/#/jobs/a");
    expect(link).toMatch(/^intent:\/\/arvr\.google\.com\/scene-viewer\/1\.2\?/);
    const [address = "", intent = ""] = (link ?? "").split("#Intent;");
    const asked = new URL(address.replace("intent:", "https:")).searchParams;
    expect(asked.get("file")).toBe(signed);
    expect(asked.get("title")).toBe("Object 1, cup & saucer");
    expect(intent).toContain("S.browser_fallback_url=https%3A%2F%2Fpage.example%2F%23%2Fjobs%2Fa;end;");
  });

  it("is not offered where the phone's viewer could not fetch the file", () => {
    expect(sceneViewerLink("http://127.0.0.1:4566/a.glb", "a", "http://127.0.0.1/")).toBeNull();
  });
});

describe("the end of a signed link", () => {
  it("is its date and its seconds", () => {
    const url = "https://b.example/a.usdz?X-Amz-Date=20261123T130340Z&X-Amz-Expires=900";
    expect(linkEnd(url)).toBe(Date.UTC(2026, 10, 23, 13, 18, 40));
  });

  it.each(["https://b.example/a.usdz", "https://b.example/a?X-Amz-Date=soon&X-Amz-Expires=900"])(
    "is unknown of %s",
    (url) => {
      expect(linkEnd(url)).toBeNull();
    },
  );
});
