/** What the rooms of the page share. Shapes of the API are in `api/schema.ts`, which is generated. */

import type { components } from "./api/schema";

export type Schemas = components["schemas"];
export type Options = Required<Pick<Schemas["Options"], "quality" | "formats">> & Schemas["Options"];

/** A part of the page. Whoever makes it puts `root` somewhere, and calls `destroy` once it is taken out for good. */
export interface View {
  readonly root: HTMLElement;
  destroy(): void;
}

/** A photo as it will be uploaded: upright, in a type that the service reads. Width and height are in pixels. */
export interface Photo {
  readonly file: File;
  readonly width: number;
  readonly height: number;
  /** An object URL of the file, for pictures. Whoever replaces the photo revokes it. */
  readonly url: string;
  /** What it was before it was made smaller, where it was. */
  readonly original?: { readonly width: number; readonly height: number; readonly bytes: number };
}

/** A bounding box in pixels of the upright photo: x to the right, y down. */
export interface Box {
  /** Its identity while it is edited; its number for people is its place in the list, from 1. */
  readonly id: number;
  readonly x_min: number;
  readonly y_min: number;
  readonly x_max: number;
  readonly y_max: number;
  readonly label: string;
}

/** What is being prepared, before it becomes a job. */
export interface Draft {
  readonly photo: Photo | null;
  readonly boxes: readonly Box[];
  readonly options: Options;
}
