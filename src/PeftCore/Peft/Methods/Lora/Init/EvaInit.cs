using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>EVA (Paischer et al. 2024, arXiv 2410.07170): A is initialised with the leading principal components of a layer's inputs, B
/// with zero, and the ranks are redistributed to the layers whose components explain the largest fraction of their input's
/// variance.</summary>
internal static class EvaInit
{
    /// <returns>The configuration with the new ranks and layers, and the factors by path.</returns>
    /// <exception cref="BadInputException">A layer received fewer than two rows.</exception>
    public static (LoraConfig Config, Dictionary<string, LowRankFactors> Factors) Solve(LoraConfig config,
        IReadOnlyList<(string Path, Linear Layer)> targets, InputStatistics inputs, Calibration settings)
    {
        var ranks = targets.ToDictionary(target => target.Path, target => TargetMatching.Lookup(config.RankPattern, target.Path,
            config.Rank, "rank_pattern"), StringComparer.Ordinal);
        var components = targets.ToDictionary(target => target.Path, target => Components(target.Layer, inputs), StringComparer.Ordinal);
        var chosen = targets.SelectMany(target => Candidates(target.Path, components[target.Path].Values,
            (int)Math.Round(ranks[target.Path] * settings.Rho)))
            .OrderByDescending(candidate => candidate.ExplainedVariance).Take(ranks.Values.Sum()).GroupBy(candidate => candidate.Path)
            .ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        var factors = new Dictionary<string, LowRankFactors>(StringComparer.Ordinal);
        var rankPattern = new List<KeyValuePair<string, int>>();
        var alphaPattern = new List<KeyValuePair<string, double>>();
        foreach (var (path, layer) in targets.Where(target => chosen.ContainsKey(target.Path)))
        {
            int rank = chosen[path];
            double alpha = TargetMatching.Lookup(config.AlphaPattern, path, config.Alpha, "alpha_pattern");
            double[] a = Leading(components[path], rank, layer.Inputs, settings.Whiten ? inputs.Of(layer).Rows : 0);
            factors.Add(path, new LowRankFactors(a, new double[layer.Outputs * rank], rank, layer.Inputs, layer.Outputs, 1));
            rankPattern.Add(new(path, rank));
            alphaPattern.Add(new(path, settings.AdjustScaling ? alpha * rank / ranks[path] : alpha));
        }
        return (config with
        {
            TargetModules = ModuleSelector.Of([.. factors.Keys]),
            RankPattern = rankPattern,
            AlphaPattern = alphaPattern
        }, factors);
    }

    /// <summary>Eigenvalues and eigenvectors of the covariance Σ (x − x̄)·(x − x̄)ᵀ/(rows − 1), largest first.</summary>
    private static (double[] Values, double[] Vectors) Components(Linear layer, InputStatistics inputs)
    {
        int n = layer.Inputs;
        var (gram, sum, rows) = inputs.Of(layer);
        if (rows < 2)
        {
            throw new BadInputException("no data came through the layers to adapt: run the model on some batches while it is calibrated");
        }
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                gram[i * n + j] = (gram[i * n + j] - sum[i] * sum[j] / rows) / (rows - 1);
            }
        }
        return SymmetricEigen.Solve(gram, n);
    }

    /// <summary>The first components (rank, in). With <paramref name="rows"/> above 0 they are whitened: divided by the square root of
    /// their singular values √(λ·(rows − 1)).</summary>
    private static double[] Leading((double[] Values, double[] Vectors) components, int rank, int n, long rows)
    {
        double[] leading = components.Vectors[..(rank * n)];
        for (int i = 0; rows > 0 && i < leading.Length; i++)
        {
            leading[i] /= Math.Pow(Math.Max(components.Values[i / n] * (rows - 1), double.Epsilon), 0.25);
        }
        return leading;
    }

    /// <summary>The first components of a layer with the fraction of the variance that each explains.</summary>
    private static IEnumerable<(string Path, double ExplainedVariance)> Candidates(string path, double[] values, int most)
    {
        double all = values.Sum(value => Math.Max(0, value));
        return values.Take(most).Select(value => (path, all > 0 ? value / all : 0));
    }
}
