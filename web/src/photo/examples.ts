/** The example photos, with boxes that are drawn already. Knows no view. */

import { bytesAt } from "../api/bytes";
import { Problem } from "../api/problem";
import type { Box } from "../types";

export interface Example {
  readonly name: string;
  readonly path: string;
  readonly boxes: readonly Omit<Box, "id">[];
}

// All three ship inside scikit-image (`skimage.data`) without restrictions: the coffee by Rachel Michetti, courtesy of
// Pikolo Espresso Bar, CC0; the rocket (DSCOVR on a Falcon 9) by SpaceX, public domain; Chelsea the cat by Stefan van der
// Walt, CC0. In public/examples they are encoded anew, in the same size.
export const EXAMPLES: readonly Example[] = [
  {
    name: "Coffee",
    path: "/examples/coffee.jpg",
    boxes: [
      { x_min: 75, y_min: 12, x_max: 484, y_max: 394, label: "cup and saucer" },
      { x_min: 325, y_min: 232, x_max: 408, y_max: 330, label: "bowl of the spoon" },
    ],
  },
  {
    name: "Rocket",
    path: "/examples/rocket.jpg",
    boxes: [{ x_min: 303, y_min: 122, x_max: 342, y_max: 410, label: "rocket" }],
  },
  {
    name: "Cat",
    path: "/examples/chelsea.jpg",
    boxes: [{ x_min: 0, y_min: 0, x_max: 400, y_max: 300, label: "cat" }],
  },
];

export async function fetchExample({ name, path }: Example): Promise<File> {
  const photo = await bytesAt(path);
  if (photo === null) throw new Problem("example_gone", "The example is not there any more. Reload the page.");
  return new File([photo], `${name}.jpg`, { type: "image/jpeg" });
}
