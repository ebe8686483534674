/** A WebGL canvas with camera, light and orbit, drawn only when something changed. Knows neither files nor buttons. */

import { DirectionalLight, HemisphereLight, NeutralToneMapping, PerspectiveCamera, Scene, WebGLRenderer } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { Problem } from "../api/problem";
import { eased, FIT_DISTANCE, turned, verticalDegrees, type Point } from "./framing";
import type { Mode, Model } from "./model";

export interface Stage {
  /** Shows this model in place of the last, which is disposed of; the first one turns around once. */
  show(model: Model): void;
  setMode(mode: Mode): void;
  /** Back to where the photo was taken from. */
  reset(): void;
  destroy(): void;
}

const TURN_MS = 7000;
const MOST_PIXEL_RATIO = 2;
const KEY_ANGLE = Math.PI / 24;
const KEY_ZOOM = 0.9;

/**
 * Takes a canvas over.
 *
 * @param canvas Sized by the page; it becomes focusable, and takes the arrows, plus, minus and 0.
 * @param reducedMotion Whether nothing may move by itself.
 * @param onLost Told true when the graphics card has forgotten everything, and false when it is back.
 * @throws Problem `no_webgl`.
 */
export function createStage(canvas: HTMLCanvasElement, reducedMotion: boolean, onLost: (lost: boolean) => void): Stage {
  // Asked for here, because three.js writes to the console where there is none.
  const context = canvas.getContext("webgl2", { alpha: true, antialias: true, powerPreference: "low-power" });
  if (context === null) {
    const message = "This browser shows no 3D (WebGL 2 is missing or switched off). The downloads work all the same.";
    throw new Problem("no_webgl", message);
  }
  const renderer = new WebGLRenderer({ canvas, context, alpha: true });
  renderer.toneMapping = NeutralToneMapping; // keeps base colours as they are, up to the highlights
  renderer.setClearAlpha(0);

  const scene = new Scene();
  const camera = new PerspectiveCamera(30, 1, 0.02, 60);
  // A soft room, and a key light from the upper left that comes along: what one looks at is lit from every side.
  const key = new DirectionalLight(0xffffff, 1.9);
  key.position.set(-1.2, 1.6, 1.4);
  camera.add(key, key.target);
  scene.add(new HemisphereLight(0xffffff, 0x9a938a, 2.1), camera);

  const controls = new OrbitControls(camera, canvas);
  controls.enableDamping = !reducedMotion;
  controls.minDistance = 0.5;
  controls.maxDistance = FIT_DISTANCE * 3;
  controls.rotateSpeed = 0.8;
  canvas.tabIndex = 0;
  // Up and down scrolls the page on a phone, except where the canvas is all of it; sideways turns the model.
  const giveTouches = (): void => {
    canvas.style.touchAction = document.fullscreenElement === null ? "pan-y" : "none";
  };
  giveTouches();

  let model: Model | null = null;
  let mode: Mode = "textured";
  let lost = false;
  let scheduled: number | null = null;
  let turnStart: number | null = null;
  let touched = reducedMotion;

  const invalidate = (): void => {
    scheduled ??= requestAnimationFrame(frame);
  };

  function frame(now: number): void {
    scheduled = null;
    if (turnStart !== null && model !== null) {
      turnStart = Math.min(turnStart, now);
      const share = (now - turnStart) / TURN_MS;
      if (share >= 1) turnStart = null;
      stand(turned(model.front, share >= 1 ? 0 : eased(share) * 2 * Math.PI));
      invalidate();
    }
    if (controls.update()) invalidate();
    draw();
  }

  function draw(): void {
    if (!lost) renderer.render(scene, camera);
  }

  function stand([x, y, z]: Point): void {
    controls.target.set(0, 0, 0);
    camera.position.set(x, y, z).multiplyScalar(FIT_DISTANCE);
    camera.lookAt(controls.target);
  }

  function reset(): void {
    turnStart = null;
    if (model === null) return;
    // What is left of a push would carry the camera away again.
    controls.enableDamping = false;
    controls.update();
    controls.enableDamping = !reducedMotion;
    stand(model.front);
    invalidate();
  }

  const touch = (): void => {
    touched = true;
    turnStart = null;
  };

  controls.addEventListener("start", touch);
  controls.addEventListener("change", invalidate);

  const onPointer = (): void => canvas.focus({ preventScroll: true });
  const onWheel = (event: WheelEvent): void => {
    // Who only scrolls past keeps scrolling: the wheel zooms once the canvas was clicked.
    if (document.activeElement !== canvas && !event.ctrlKey) event.stopImmediatePropagation();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    touch();
    act();
    invalidate();
  };
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => controls.rotateLeft(KEY_ANGLE),
    ArrowRight: () => controls.rotateLeft(-KEY_ANGLE),
    ArrowUp: () => controls.rotateUp(KEY_ANGLE),
    ArrowDown: () => controls.rotateUp(-KEY_ANGLE),
    "+": () => controls.dollyIn(KEY_ZOOM),
    "=": () => controls.dollyIn(KEY_ZOOM),
    "-": () => controls.dollyOut(KEY_ZOOM),
    "0": reset,
    Home: reset,
  };
  const onContextLost = (event: Event): void => {
    event.preventDefault(); // else it never comes back
    lost = true;
    onLost(true);
  };
  const onContextRestored = (): void => {
    lost = false;
    onLost(false);
    invalidate();
  };
  canvas.addEventListener("pointerdown", onPointer);
  // Before OrbitControls, which listens on the canvas itself.
  canvas.parentElement?.addEventListener("wheel", onWheel, { capture: true, passive: true });
  canvas.addEventListener("keydown", onKey);
  canvas.addEventListener("webglcontextlost", onContextLost);
  canvas.addEventListener("webglcontextrestored", onContextRestored);
  document.addEventListener("fullscreenchange", giveTouches);

  const sizes = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0 || height === 0) return;
    renderer.setPixelRatio(Math.min(window.devicePixelRatio, MOST_PIXEL_RATIO));
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.fov = verticalDegrees(camera.aspect);
    camera.updateProjectionMatrix();
    // At once: a canvas is empty after its size has changed.
    draw();
  });
  sizes.observe(canvas);

  return {
    show(next) {
      const first = model === null;
      if (model !== null) {
        scene.remove(model.root);
        model.dispose();
      }
      model = next;
      model.setMode(mode);
      scene.add(model.root);
      reset();
      if (first && !touched) turnStart = performance.now();
      draw();
    },
    setMode(next) {
      mode = next;
      model?.setMode(mode);
      invalidate();
    },
    reset() {
      touch();
      reset();
    },
    destroy() {
      if (scheduled !== null) cancelAnimationFrame(scheduled);
      sizes.disconnect();
      document.removeEventListener("fullscreenchange", giveTouches);
      canvas.parentElement?.removeEventListener("wheel", onWheel, { capture: true });
      canvas.removeEventListener("webglcontextlost", onContextLost);
      controls.dispose();
      model?.dispose();
      renderer.dispose();
      // Browsers keep but a few contexts, and take their time to collect one.
      renderer.forceContextLoss();
    },
  };
}
