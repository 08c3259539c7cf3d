// Hides the models whose name does not hold what is typed.
const search = document.getElementById("search");
const models = [...document.querySelectorAll("[data-name]")];
search.addEventListener("input", () => {
  const wanted = search.value.trim().toLowerCase();
  for (const model of models) model.hidden = !model.dataset.name.toLowerCase().includes(wanted);
  const left = models.filter((model) => !model.hidden).length;
  document.getElementById("found").textContent = wanted ? `${left} of ${models.length}` : "";
});
