"""The figure of the 92 real images: human and monkey IT, their categories, and a network's layers under the noise ceiling of four people."""

import numpy as np

from convergence.plotting import style


def figure(human, monkey, categories, subject_model, p_values):
    """Draw the figure.

    Parameters
    ----------
    human, monkey : (n_pairs,) arrays
        Condensed RDMs: mean of the people, and the monkey.
    categories : sequence of n_images str
        Category of every image, in the order of the RDMs; equal neighbours share a bracket.
    subject_model, p_values : DataFrame
        The tables images92_subject_model and images92_p_values.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawing = style.figure("double", height=62)
    left, middle, right = drawing.subplots(1, 3, width_ratios=(1, 1, 1.2))
    monkey_r = p_values.loc[p_values["comparison"] == "monkey", "observed"].item()
    _draw_rdm(left, human, categories, "A  Human IT (4 people)", named=True)
    image = _draw_rdm(middle, monkey, categories, f"B  Monkey IT (r = {monkey_r:.2f})", named=False)
    bar = drawing.colorbar(image, cax=middle.inset_axes((1.04, 0, 0.05, 1)), ticks=[0, 1])
    bar.ax.set_yticklabels(["most\nsimilar", "most\ndifferent"])
    bar.set_label("correlation distance, ranked", labelpad=-14)
    _draw_layers(right, subject_model, p_values)
    return drawing


def _draw_rdm(axes, condensed, categories, title, named):
    """Ranks, because a few large distances would otherwise take the whole range of colours."""
    n = len(categories)
    square = np.zeros((n, n))
    rows, columns = np.triu_indices(n, 1)
    square[rows, columns] = square[columns, rows] = condensed.argsort().argsort() / (len(condensed) - 1)
    image = axes.imshow(square, cmap=style.SEQUENTIAL, interpolation="nearest")
    axes.set_title(title, loc="left")
    starts = [k for k in range(n) if k == 0 or categories[k] != categories[k - 1]]
    edges = np.array([*starts, n])
    for edge in edges[1:-1]:
        axes.axhline(edge - 0.5, color="white", linewidth=0.5)
        axes.axvline(edge - 0.5, color="white", linewidth=0.5)
    axes.set_yticks((edges[:-1] + edges[1:] - 1) / 2, [categories[k] for k in starts] if named else [])
    axes.set_xticks([])
    axes.tick_params(length=0)
    return image


def _draw_layers(axes, subject_model, p_values):
    """One thin line per person, their mean, and the band between the lower and the upper noise ceiling."""
    (model,) = subject_model["model"].unique()
    mean = p_values[p_values["comparison"] == model].sort_values("layer")
    lower, upper = mean[["noise_ceiling_lower", "noise_ceiling_upper"]].iloc[0]
    axes.axhspan(lower, upper, color=style.COLORS["null"], alpha=0.35, linewidth=0)
    axes.text(0, upper - 0.012, "noise ceiling of the 4 people", va="top")
    for subject, person in subject_model.sort_values("layer").groupby("subject", observed=True):
        axes.plot(person["layer"], person["similarity"], color=style.COLORS["vision"], alpha=0.35, linewidth=0.7, label="each person" if subject == 1 else None)
    axes.plot(mean["layer"], mean["observed"], color=style.COLORS["vision"], marker="o", markersize=3, label="mean")
    significant = mean[mean["pvalue_fdr_bh"] < 0.05]
    axes.scatter(significant["layer"], np.full(len(significant), -0.045), marker="*", s=14, color="black", linewidths=0)
    axes.set(xlabel="layer, first to last (star: FDR p < .05)", ylabel="RSA with human IT (r)", ylim=(-0.075, upper + 0.04))
    axes.set_title("C  EfficientNet-lite0", loc="left")
    axes.set_xticks(mean["layer"], mean["layer_name"], rotation=40, ha="right", rotation_mode="anchor")
    axes.legend(loc="upper left", bbox_to_anchor=(0, (lower + 0.075) / (upper + 0.115)))
