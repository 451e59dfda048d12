/** A picture's pixels for drawing: whole, and reduced for views from afar. */

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** By size, the whole picture first. */
  readonly levels: readonly ImageBitmap[];
}

const REDUCED_PX = 2048;

export async function loadPixels(blob: Blob): Promise<Pixels> {
  const whole = await createImageBitmap(blob);
  const { width, height } = whole;
  const share = REDUCED_PX / Math.max(width, height);
  const levels = [whole];
  if (share < 0.75) {
    const size = { resizeWidth: Math.round(width * share), resizeHeight: Math.round(height * share) };
    levels.push(await createImageBitmap(whole, { ...size, resizeQuality: "high" }));
  }
  return { width, height, levels };
}

export function freePixels(pixels: Pixels | null): void {
  for (const level of pixels?.levels ?? []) level.close();
}

/** The coarsest level that is still as fine as the screen. */
export function levelFor({ levels, width }: Pixels, scale: number): ImageBitmap | undefined {
  return levels.findLast((level) => level.width >= Math.min(1, scale) * width) ?? levels[0];
}
