// A drawing as the few pixels that a model was trained on: cut out, brought to the size that ink had there, centred.

/** From 0 to 1, row by row; null when nothing is drawn. `side`: pixels each way; `ink`: how much of them ink spans. */
export function pixels({data, width, height}, {side, ink, centre}) {
  const inked = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[4 * (y * width + x) + 3] / 255);
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (inked(x, y) < 0.1) continue;
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    }
  }
  if (right < 0) return null;
  // How many points of the drawing one pixel spans, and the point that comes into the middle.
  const scale = Math.max(right - left + 1, bottom - top + 1) / (ink * side);
  let [middleX, middleY] = [(left + right + 1) / 2, (top + bottom + 1) / 2];
  if (centre === 'mass') [middleX, middleY] = massOf(inked, left, top, right, bottom);
  const found = [];
  const steps = Math.max(2, Math.ceil(scale / 2));
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      let sum = 0;
      for (let one = 0; one < steps * steps; one++) {
        const x = middleX + (column - side / 2 + ((one % steps) + 0.5) / steps) * scale;
        const y = middleY + (row - side / 2 + (Math.floor(one / steps) + 0.5) / steps) * scale;
        sum += inked(Math.floor(x), Math.floor(y));
      }
      found.push(sum / (steps * steps));
    }
  }
  return found;
}

function massOf(inked, left, top, right, bottom) {
  let [sum, sumX, sumY] = [0, 0, 0];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const weight = inked(x, y);
      sum += weight;
      sumX += weight * (x + 0.5);
      sumY += weight * (y + 0.5);
    }
  }
  return [sumX / sum, sumY / sum];
}
