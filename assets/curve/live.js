// The curve under the finger: holds where the knobs stand, looks that stop up in the table and draws it, in the same
// event, so that a frame never waits for anybody. `heard` is called with {bits, sparsity, temperature} when the knobs
// rest; null where there is nobody to hear.

function startCurve(section, heard) {
  const part = (selector) => section.querySelector(selector);
  const drawTiles = makeTiles(part('.tiles'));
  const chart = makeChart(part('.chart'));
  const knobs = makeKnobs(part('.knobs'), moved, rested);
  const budget = part('#knob-budget');
  let curve = null, along = 'bits';

  budget.addEventListener('input', () => { chart.settle(curve, bytes()); draw(); });
  new ResizeObserver(() => { if (curve) { chart.settle(curve, bytes()); draw(); } }).observe(part('.chart'));

  function moved(name) {
    if (name !== 'temperature') along = name;
    draw();
  }
  function rested() {
    const cell = here();
    part('.spoken').textContent = cell.reason || cell.tiles.map((tile) => tile.headline).join(curve.words.comma);
    heard?.(knobs.stands());
  }
  function cellAt(bits, sparsity) {
    return curve.cells[bits * curve.sparsity.stops.length + sparsity];
  }
  const here = () => cellAt(knobs.at('bits'), knobs.at('sparsity'));
  const way = () => (along === 'bits'
    ? curve.bits.stops.map((_, stop) => cellAt(stop, knobs.at('sparsity')))
    : curve.sparsity.stops.map((_, stop) => cellAt(knobs.at('bits'), stop)));
  const bytes = () => (budget.value > 0 ? budget.value * 1e6 : null);

  function draw() {
    const cell = here();
    // the table is for one kind of training, and the box was ticked a moment ago
    section.classList.toggle('stale', knobs.training !== curve.training);
    drawTiles(cell, curve.words);
    chart.move(way(), cell);
    part('.note').textContent = cell.reason || (cell.side === 'predicted' ? curve.record : '');
    const allowed = bytes(), size = cell.point?.size ?? cell.tiles[1].value;
    part('.fits').textContent = allowed === null || size === null ? ''
      : size <= allowed ? curve.words.within : curve.words.over;
  }

  return {
    section,
    // A new table. stands: where the knobs are put; null leaves them where a person has them.
    take(table, stands) {
      curve = table;
      knobs.offer(curve, heard === null);
      if (stands) knobs.stand(stands, curve.usual_temperature);
      part('.tiles').setAttribute('aria-label', curve.words.figures);
      part('.knobs').setAttribute('aria-label', curve.words.knobs);
      part('.budget label').textContent = curve.words.budget;
      chart.settle(curve, bytes());
      draw();
    },
    keep: () => ({ stands: knobs.stands(), budget: budget.value, along }),
    restore(kept) {
      budget.value = kept.budget;
      along = kept.along;
      chart.settle(curve, bytes());
      draw();
    },
  };
}
