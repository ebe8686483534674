/** The photo, boxes and options in work, from page to page and visit to visit. Knows no view, and not where it is kept. */

import { createBoxes, type Boxes } from "../boxes/boxes";
import { defaultOptions } from "../options/options";
import { createStore, type Store } from "../store";
import type { Box, Draft, Options, Photo } from "../types";

/** A photo, and the boxes drawn on it. */
export interface Canvas {
  readonly photo: Photo;
  readonly boxes: Boxes;
}

export interface Drafting {
  /** Null while there is no photo. */
  readonly canvas: Store<Canvas | null>;
  readonly options: Store<Options>;
  /** Starts with another photo, in place of what was there. */
  begin(photo: Photo, boxes?: readonly Omit<Box, "id">[], options?: Options): void;
  /** Starts with nothing; the options stay. */
  clear(): void;
  /** Fetches what was kept on an earlier visit. */
  restore(): Promise<void>;
  /** Keeps at once what was about to be kept; the photo is to be shown no more. */
  stop(): void;
}

/** Where a draft is kept. */
export interface Keeper {
  keep(draft: Draft): Promise<unknown>;
  kept(): Promise<Draft | null>;
}

const REST_MS = 250;

/**
 * A draft that is kept a moment after each change.
 *
 * @param most How many boxes there may be.
 */
export function createDrafting(keeper: Keeper, most: () => number): Drafting {
  const canvas = createStore<Canvas | null>(null);
  const options = createStore<Options>(defaultOptions);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isRestoring = true;
  let forget = (): void => undefined;

  function keepSoon(): void {
    if (isRestoring) return;
    clearTimeout(timer);
    timer = setTimeout(keepNow, REST_MS);
  }
  function keepNow(): void {
    clearTimeout(timer);
    timer = undefined;
    const { photo = null, boxes } = canvas.get() ?? {};
    void keeper.keep({ photo, boxes: boxes?.list.get() ?? [], options: options.get() });
  }
  function put(photo: Photo, boxes: readonly Box[]): void {
    replace({ photo, boxes: createBoxes(boxes, most) });
  }
  function replace(next: Canvas | null): void {
    forget();
    const before = canvas.get();
    forget = next === null ? () => undefined : next.boxes.list.subscribe(keepSoon);
    canvas.set(next);
    if (before !== null && before.photo !== next?.photo) URL.revokeObjectURL(before.photo.url);
    keepSoon();
  }
  const forgetOptions = options.subscribe(keepSoon);
  return {
    canvas,
    options,
    begin(photo, boxes = [], chosen) {
      isRestoring = false;
      if (chosen !== undefined) options.set(chosen);
      put(
        photo,
        boxes.map((box, index) => ({ ...box, id: index + 1 })),
      );
    },
    clear() {
      isRestoring = false;
      replace(null);
    },
    async restore() {
      const draft = await keeper.kept();
      // Somebody was quicker, and that counts.
      if (!isRestoring) {
        if (draft?.photo) URL.revokeObjectURL(draft.photo.url);
        return;
      }
      if (draft !== null) {
        options.set(draft.options);
        if (draft.photo !== null) put(draft.photo, draft.boxes);
      }
      isRestoring = false;
    },
    stop() {
      isRestoring = false;
      if (timer !== undefined) keepNow();
      forgetOptions();
      forget();
      const held = canvas.get();
      if (held !== null) URL.revokeObjectURL(held.photo.url);
    },
  };
}
