/** Colours that stay apart on photographs, for readers with colour-blindness too (after Okabe and Ito). */
export const COLOURS = [
  "#3d8bff",
  "#ff8a1f",
  "#1fc48d",
  "#e24cc4",
  "#f2d02e",
  "#58c7f3",
  "#e5484d",
  "#9b6bff",
] as const;

export const colourOf = (number: number): string => COLOURS[(number - 1) % COLOURS.length] ?? COLOURS[0];
