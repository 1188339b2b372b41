using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>Initial factors from data.</summary>
internal static class CalibratedInit
{
    /// <summary>Added to a covariance's diagonal, as a share of its mean, so that it has an inverse.</summary>
    private const double Damping = 0.01;

    /// <summary>EVA (Paischer et al. 2024): A starts at the principal components of a layer's input, and ranks go where those explain most.
    /// B is zero.</summary>
    /// <returns>The configuration with ranks and layers as they became, and the factors.</returns>
    public static (LoraConfig Config, Dictionary<string, InitialFactors> Factors) Eva(LoraConfig config,
        IReadOnlyList<(string Path, Linear Layer)> targets, InputStatistics inputs, Calibration settings)
    {
        var ranks = targets.ToDictionary(target => target.Path, target => TargetMatching.Lookup(config.RankPattern, target.Path,
            config.Rank, "rank_pattern"), StringComparer.Ordinal);
        var components = targets.ToDictionary(target => target.Path, target => Components(target.Layer, inputs), StringComparer.Ordinal);
        var chosen = targets.SelectMany(target => Candidates(target.Path, components[target.Path].Values,
            (int)Math.Round(ranks[target.Path] * settings.Rho)))
            .OrderByDescending(candidate => candidate.Share).Take(ranks.Values.Sum()).GroupBy(candidate => candidate.Path)
            .ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        var factors = new Dictionary<string, InitialFactors>(StringComparer.Ordinal);
        var rankPattern = new List<KeyValuePair<string, int>>();
        var alphaPattern = new List<KeyValuePair<string, double>>();
        foreach (var (path, layer) in targets.Where(target => chosen.ContainsKey(target.Path)))
        {
            int rank = chosen[path];
            double alpha = TargetMatching.Lookup(config.AlphaPattern, path, config.Alpha, "alpha_pattern");
            factors.Add(path, new InitialFactors(Leading(components[path], rank, layer.Inputs, settings.Whiten ? inputs.Of(layer).Rows : 0),
                new double[layer.Outputs * rank]));
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

    /// <summary>CorDA (Yang et al. 2024): singular directions of W·C with C the covariance of the input, brought back by C⁻¹, are taken out
    /// of W.</summary>
    public static InitialFactors Corda(double[] weight, Linear layer, int r, double scale, InputStatistics inputs, Calibration settings)
    {
        int n = layer.Inputs, m = layer.Outputs, all = Math.Min(n, m);
        var (covariance, _, rows) = inputs.Of(layer);
        double mean = Enumerable.Range(0, n).Average(i => covariance[i * (n + 1)]) / Math.Max(1, rows);
        for (int i = 0; i < covariance.Length; i++)
        {
            covariance[i] = covariance[i] / Math.Max(1, rows) + (i % (n + 1) == 0 ? Damping * mean : 0);
        }
        double[] product = Dense.Multiply(weight, covariance, m, n, n);
        var (u, s, v) = Factorization.TruncatedSvd(product, m, n, settings.KeepKnowledge ? all : r);
        int first = settings.KeepKnowledge ? all - r : 0, width = settings.KeepKnowledge ? all : r;
        double[] back = Dense.Multiply(v, Inverse(covariance, n), width, n, n);
        double[] a = new double[r * n], b = new double[m * r];
        for (int i = 0; i < r; i++)
        {
            double root = Math.Sqrt(s[first + i] / scale);
            for (int k = 0; k < n; k++)
            {
                a[i * n + k] = back[(first + i) * n + k] * root;
            }
            for (int o = 0; o < m; o++)
            {
                b[o * r + i] = u[o * width + first + i] * root;
            }
        }
        return new InitialFactors(a, b);
    }

    /// <summary>LoRA-GA (Wang et al. 2024): A and B span singular directions of the weight's gradient, so that the first step goes where
    /// full fine-tuning would.</summary>
    /// <param name="gradient">∂L/∂W (out, in).</param>
    /// <param name="weight">W (out, in); asked for if the length depends on it.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">The adapter's scale.</param>
    /// <param name="settings">Whose directions are whose, and how long they are.</param>
    /// <param name="random">Draws directions where chance decides.</param>
    public static InitialFactors LoraGa(double[] gradient, Func<double[]> weight, Linear layer, int r, double scale, Calibration settings,
        Random random)
    {
        int n = layer.Inputs, m = layer.Outputs;
        if (2 * r > Math.Min(n, m))
        {
            throw new BadInputException(
                $"LoRA-GA takes two times the rank of singular directions; rank {r} is too much for a layer of {m} × {n}; choose " +
                $"{Math.Min(n, m) / 2} or less");
        }
        var (u, s, v) = Factorization.TruncatedSvd(gradient, m, n, 2 * r);
        var (ofA, ofB) = Directions(settings.Direction, r, random);
        double first = s[ofB[0]];
        double factorA = settings.Scale == LoraGaScale.GdScale ? 1 / scale : 1;
        double factorB = settings.Scale switch
        {
            LoraGaScale.Stable => Math.Pow(m, 0.25) / Math.Sqrt(settings.StableGamma),
            LoraGaScale.WeightSvd when first > 0 => Factorization.TruncatedSvd(weight(), m, n, 1).S[0] / first,
            LoraGaScale.GdScale => 1 / scale,
            _ => 1,
        };
        double[] a = new double[r * n], b = new double[m * r];
        for (int i = 0; i < r; i++)
        {
            for (int k = 0; k < n; k++)
            {
                a[i * n + k] = v[ofA[i] * n + k] * factorA;
            }
            for (int o = 0; o < m; o++)
            {
                b[o * r + i] = u[o * 2 * r + ofB[i]] * s[ofB[i]] * factorB;
            }
        }
        return new InitialFactors(a, b);
    }

    private static (int[] OfA, int[] OfB) Directions(LoraGaDirection direction, int r, Random random)
    {
        int[] first = [.. Enumerable.Range(0, r)], next = [.. Enumerable.Range(r, r)];
        switch (direction)
        {
            case LoraGaDirection.ArB2r:
                return (first, next);
            case LoraGaDirection.A2rBr:
                return (next, first);
            case LoraGaDirection.ArBr:
                return ([.. first.Select(i => 2 * i + 1)], [.. first.Select(i => 2 * i)]);
            default:
                int[] drawn = [.. first, .. next];
                random.Shuffle(drawn);
                return (drawn[..r], drawn[..r]);
        }
    }

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

    /// <summary>The first components; with rows given, over the square root of their singular values √(λ·(rows − 1)).</summary>
    private static double[] Leading((double[] Values, double[] Vectors) components, int rank, int n, long rows)
    {
        double[] leading = components.Vectors[..(rank * n)];
        for (int i = 0; rows > 0 && i < leading.Length; i++)
        {
            leading[i] /= Math.Pow(Math.Max(components.Values[i / n] * (rows - 1), double.Epsilon), 0.25);
        }
        return leading;
    }

    private static IEnumerable<(string Path, double Share)> Candidates(string path, double[] values, int most)
    {
        double all = values.Sum(value => Math.Max(0, value));
        return values.Take(most).Select(value => (path, all > 0 ? value / all : 0));
    }

    /// <summary>Of a symmetric matrix, by its eigenvalues.</summary>
    private static double[] Inverse(double[] matrix, int n)
    {
        var (values, vectors) = SymmetricEigen.Solve([.. matrix], n);
        double[] scaled = [.. vectors];
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] /= values[i / n];
        }
        return Dense.Multiply(Dense.Transpose(vectors, n, n), scaled, n, n, n);
    }
}
