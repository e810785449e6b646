(() => {
  const form = document.querySelector(".search");
  const field = document.getElementById("search");
  const button = document.getElementById("unfold");
  const found = document.getElementById("found");
  const items = [...document.querySelectorAll(".item")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    items.forEach((item, index) => {
      const fits = words.every((word) => texts[index].includes(word));
      item.hidden = !fits;
      count += fits;
    });
    found.textContent = words.length ? `${count} of ${items.length}` : "";
  });
  button.addEventListener("click", () => {
    const open = button.textContent === "Open all";
    for (const item of items) {
      if (item.tagName === "DETAILS") item.open = open;
    }
    button.textContent = open ? "Close all" : "Open all";
  });
})();
