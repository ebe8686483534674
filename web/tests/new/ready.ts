/** What is ready to be made, for tests. */

import type { Ready } from "../../src/new/asked";
import { defaultOptions } from "../../src/options/options";

/** A photo of 4 bytes with one box. */
export function readyWith(change: Partial<Ready> = {}, name = "cup.jpg"): Ready {
  const file = new File(["cup."], name, { type: "image/jpeg" });
  return {
    photo: { file, width: 640, height: 480, url: "blob:none" },
    boxes: [{ id: 7, x_min: 1, y_min: 2, x_max: 30, y_max: 40, label: " cup " }],
    options: defaultOptions,
    ...change,
  };
}
