// Size against loss: what stands still (grid, measurements, budget) is drawn when it changes, what moves at every move.

const ROOM = { left: 52, right: 14, top: 12, bottom: 40 };
const TALL = 320;

function svg(name, attributes, words) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (words !== undefined) made.textContent = words;
  return made;
}

// Bytes to pixels on a straight axis, and perplexity ratios to pixels on a logarithmic axis of percent worse. What is
// better than the low end, or not worse at all, lies on the bottom line; an end that is open lies on the edge.
function scales(curve, width, height) {
  const { size_axis: across, loss_axis: up } = curve;
  const wide = width - ROOM.left - ROOM.right, high = height - ROOM.top - ROOM.bottom;
  const depth = Math.log(up.high / up.low);
  const percent = (worse) => {
    const share = Math.log(Math.min(Math.max(worse, up.low), up.high) / up.low) / depth;
    return ROOM.top + high * (1 - share);
  };
  return {
    x: (bytes) => ROOM.left + (wide * (bytes - across.low)) / (across.high - across.low),
    percent,
    y: (ratio, open) => percent(ratio === null ? (open === 'low' ? up.low : up.high) : 100 * (ratio - 1)),
    left: ROOM.left, right: ROOM.left + wide, top: ROOM.top, bottom: ROOM.top + high,
  };
}

function makeChart(figure) {
  const canvas = figure.querySelector('svg');
  const still = canvas.appendChild(svg('g', {}));
  const band = canvas.appendChild(svg('path', { class: 'band' }));
  const line = canvas.appendChild(svg('path', { class: 'line' }));
  const stops = canvas.appendChild(svg('g', {}));
  const dots = canvas.appendChild(svg('g', {}));
  const here = canvas.appendChild(svg('g', { class: 'here' }));
  const whisker = here.appendChild(svg('line', { class: 'whisker' }));
  const mark = here.appendChild(svg('circle', { r: 8 }));
  const label = here.appendChild(svg('text', {}));
  let place = null;

  function settle(curve, budget) {
    const width = figure.clientWidth || 600;
    const height = canvas.clientHeight || TALL;
    canvas.setAttribute('viewBox', `0 0 ${width} ${height}`);
    canvas.setAttribute('aria-label', curve.words.chart);
    label.textContent = curve.words.here;
    place = scales(curve, width, height);
    still.replaceChildren(...axes(curve, place, width), ...best(curve, place), ...limit(budget, place));
    dots.replaceChildren(...measurements(curve, place));
  }

  // cells: along the knob that moves, in its order; cell: where the knobs stand.
  function move(cells, cell) {
    const found = cells.filter((one) => one.point).map((one) => one.point);
    const at = (point, ratio, open) => `${place.x(point.size).toFixed(1)} ${place.y(ratio, open).toFixed(1)}`;
    const upper = found.map((point) => at(point, point.high, 'high'));
    const lower = found.map((point) => at(point, point.low, 'low')).reverse();
    band.setAttribute('d', found.length > 1 ? `M${[...upper, ...lower].join('L')}Z` : '');
    line.setAttribute('d', found.length > 1 ? `M${found.map((point) => at(point, point.ratio)).join('L')}` : '');
    while (stops.childNodes.length < found.length) stops.appendChild(svg('circle', { class: 'stop', r: 3 }));
    while (stops.childNodes.length > found.length) stops.lastChild.remove();
    found.forEach((point, number) => {
      stops.childNodes[number].setAttribute('cx', place.x(point.size));
      stops.childNodes[number].setAttribute('cy', place.y(point.ratio));
    });
    here.style.display = cell.point ? '' : 'none';
    if (cell.point) stand(cell);
  }

  function stand(cell) {
    const { size, ratio, low, high } = cell.point;
    const x = place.x(size), y = place.y(ratio);
    here.dataset.side = cell.side;
    mark.setAttribute('cx', x);
    mark.setAttribute('cy', y);
    const ends = { x1: x, x2: x, y1: place.y(low, 'low'), y2: place.y(high, 'high') };
    for (const [key, value] of Object.entries(ends)) whisker.setAttribute(key, value);
    const toTheLeft = x > (place.left + place.right) / 2;
    label.setAttribute('text-anchor', toTheLeft ? 'end' : 'start');
    label.setAttribute('x', x + (toTheLeft ? -14 : 14));
    label.setAttribute('y', Math.max(y - 8, place.top + 10));
  }

  function note(words) {
    figure.querySelector('.note').textContent = words;
  }

  return { settle, move, note };
}

function axes(curve, place, width) {
  const drawn = [];
  for (const { at, label } of curve.loss_axis.ticks) {
    const y = place.percent(at);
    drawn.push(svg('line', { class: 'grid', x1: place.left, x2: place.right, y1: y, y2: y }));
    drawn.push(svg('text', { x: place.left - 6, y: y + 4, 'text-anchor': 'end' }, label));
  }
  // labels of a narrow chart would run into each other
  const every = Math.ceil((curve.size_axis.ticks.length * 70) / width) || 1;
  curve.size_axis.ticks.forEach(({ at, label }, number) => {
    if (number % every === 0) {
      drawn.push(svg('text', { x: place.x(at), y: place.bottom + 18, 'text-anchor': 'middle' }, label));
    }
  });
  const under = { x: place.right, y: place.bottom + 35, 'text-anchor': 'end' };
  drawn.push(svg('text', under, `${curve.words.up} \u2191  ${curve.words.across} \u2192`));
  return drawn;
}

// the best that is predicted at each size, whatever the method
function best(curve, place) {
  if (curve.frontier.length < 2) return [];
  const way = curve.frontier.map(({ size, ratio }) => `${place.x(size).toFixed(1)} ${place.y(ratio).toFixed(1)}`);
  const line = svg('path', { class: 'frontier', d: `M${way.join('L')}` });
  line.appendChild(svg('title', {}, curve.words.frontier));
  const y = place.top + 12;
  const sample = svg('path', { class: 'frontier', d: `M${place.right - 22} ${y}H${place.right}` });
  const key = svg('text', { x: place.right - 28, y: y + 4, 'text-anchor': 'end' }, curve.words.frontier);
  return [line, sample, key];
}

function limit(budget, place) {
  if (budget === null) return [];
  const x = Math.min(Math.max(place.x(budget), place.left), place.right);
  return [svg('line', { class: 'budget-line', x1: x, x2: x, y1: place.top, y2: place.bottom })];
}

function measurements(curve, place) {
  const drawn = curve.dots.map(({ words, point }) => {
    const dot = svg('circle', { class: 'dot', r: 5, cx: place.x(point.size), cy: place.y(point.ratio) });
    dot.appendChild(svg('title', {}, words));
    return dot;
  });
  if (curve.original !== null) {
    const x = place.x(curve.original);
    drawn.push(svg('circle', { class: 'original', r: 6, cx: x, cy: place.bottom }));
    drawn.push(svg('text', { x, y: place.bottom - 10, 'text-anchor': 'end' }, curve.words.original));
  }
  return drawn;
}
