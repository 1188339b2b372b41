using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Peft.Lora;

/// <summary>Combines several adapters into one LoRA by their weights.</summary>
internal sealed class AdapterCombination
{
    private readonly IReadOnlyList<Adapter> _adapters;
    private readonly IReadOnlyList<double> _weights;
    private readonly CombinationType _type;
    private readonly TaskArithmetic _arithmetic;
    private readonly Dictionary<string, List<(LowRankFactors Update, double Weight)>> _layers = new(StringComparer.Ordinal);
    private readonly int _rank;

    public AdapterCombination(TransformerModel model, IReadOnlyList<Adapter> adapters, IReadOnlyList<double> weights, CombinationType type,
        double? density, MajoritySign majority, int? svdRank, ulong seed)
    {
        (_adapters, _weights) = (adapters, weights);
        _type = adapters is [{ Config: LoraConfig }] ? CombinationType.Linear : type;
        Check(density, svdRank);
        _arithmetic = new TaskArithmetic(_type, density ?? 1, majority, new Random((int)(seed ^ (seed >> 32))));
        foreach (var (adapter, weight) in adapters.Zip(weights))
        {
            foreach (var (path, layer) in adapter.Layers)
            {
                if (!_layers.TryGetValue(path, out var parts))
                {
                    _layers.Add(path, parts = []);
                }
                parts.Add((Finite(adapter, path, LowRankFactors.Of(path, layer, model.Find(path)!)), weight));
            }
        }
        int largest = _layers.Values.Max(parts => parts.Max(part => part.Update.Rank));
        _rank = _type == CombinationType.Cat ? _layers.Values.Max(parts => parts.Sum(part => part.Update.Rank))
            : _type.EndsWithSvd ? svdRank ?? largest : largest;
        if (_type != CombinationType.Cat && !_type.EndsWithSvd)
        {
            CheckRanks();
        }
    }

    /// <summary>The new adapter's configuration: a plain LoRA of scale 1 on every layer that one of the adapters changes.</summary>
    public LoraConfig Config(TransformerModel model) => new()
    {
        TaskType = First.TaskType,
        BaseModelNameOrPath = First.BaseModelNameOrPath,
        Revision = First.Revision,
        Rank = _rank,
        Alpha = _rank,
        Dropout = (First as LoraConfig)?.Dropout ?? 0,
        LoraBias = Configs.OfType<LoraConfig>().Any(config => config.LoraBias),
        TargetModules = Targets(model),
    };

    private PeftConfig First => _adapters[0].Config;

    private IEnumerable<PeftConfig> Configs => _adapters.Select(adapter => adapter.Config);

    /// <summary>Fills the new adapter's factors and biases.</summary>
    public void Fill(Adapter adapter)
    {
        foreach (var (path, layer) in adapter.Layers)
        {
            var update = Combine(_layers[path]);
            switch (layer)
            {
                case LoraLayer linear:
                    update.Upload(linear.A.Value, linear.B.Value);
                    AddBiases(path, linear);
                    break;
                case LoraEmbeddingLayer embedding:
                    update.Upload(embedding.A.Value, embedding.B.Value);
                    break;
            }
        }
    }

    private LowRankFactors Combine(List<(LowRankFactors Update, double Weight)> parts)
    {
        if (_type == CombinationType.Cat || _type == CombinationType.Svd)
        {
            var sum = LowRankFactors.Join([.. parts.Select(part => part.Update.Times(part.Weight * part.Update.Scale))]);
            return _type == CombinationType.Cat ? sum : sum.Truncate(_rank);
        }
        double[] weights = [.. parts.Select(part => part.Weight * part.Update.Scale)];
        var shape = parts[0].Update;
        if (_type.EndsWithSvd)
        {
            return LowRankFactors.Truncate(_arithmetic.Combine([.. parts.Select(part => part.Update.Product())], weights), shape, _rank);
        }
        // Both factors are multiplied by the root of the weight, one of them also by its sign.
        double[] roots = Array.ConvertAll(weights, weight => Math.Sqrt(Math.Abs(weight)));
        double[] signed = Array.ConvertAll(weights, weight => Math.CopySign(Math.Sqrt(Math.Abs(weight)), weight));
        return shape with
        {
            A = _arithmetic.Combine([.. parts.Select(part => part.Update.A)], signed),
            B = _arithmetic.Combine([.. parts.Select(part => part.Update.B)], roots),
        };
    }

    /// <summary>Biases of B are summed with their weights, whatever the combination of the factors.</summary>
    private void AddBiases(string path, LoraLayer target)
    {
        foreach (var (adapter, weight) in _adapters.Zip(_weights))
        {
            if (adapter.Layers.Find(layer => layer.Path == path).Layer is LoraLayer { BiasOfB: { } bias } linear)
            {
                var sum = target.BiasOfB!.Value;
                sum.Backend.Scale(bias.Value, (float)(weight * linear.Scale), sum, accumulate: true);
            }
        }
    }

    /// <summary>The target names of the adapters' configurations if they select exactly the layers to change; otherwise the paths of those
    /// layers.</summary>
    private ModuleSelector Targets(TransformerModel model)
    {
        List<string> names = [.. Configs.OfType<TargetedConfig>().SelectMany(config => config.TargetModules?.Names ?? []).Distinct()];
        if (names.Count > 0)
        {
            var found = TargetMatching.Find(model, ModuleSelector.Of(names), new TargetFilter(Strict: false)).Select(target => target.Path);
            if (_layers.Keys.ToHashSet().SetEquals(found))
            {
                return ModuleSelector.Of(names);
            }
        }
        return ModuleSelector.Of([.. model.NamedModules().Select(module => module.Path).Where(_layers.ContainsKey)]);
    }

    private void Check(double? density, int? svdRank)
    {
        if (_adapters.Count == 0 || _adapters.Count != _weights.Count || !_weights.All(double.IsFinite))
        {
            throw new BadInputException(
                $"{_adapters.Count} adapters and {_weights.Count} weights were given to combine; each adapter needs one finite weight, " +
                "and there must be one at least");
        }
        if (_type.Prunes && density is not (> 0 and <= 1))
        {
            throw new BadInputException(
                $"the combination needs a density above 0 and up to 1, the share of elements to keep; it is " +
                $"{density?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "missing"}");
        }
        if (svdRank < 1)
        {
            throw new BadInputException($"the rank of a combination is {svdRank}; it must be at least 1");
        }
        foreach (var adapter in _adapters)
        {
            string? problem = adapter.Config switch
            {
                not TargetedConfig => $"is {adapter.Config.PeftType}, which changes no weights and cannot be combined by them",
                not LoraConfig when !_type.EndsWithSvd && _type != CombinationType.Cat =>
                    $"is {adapter.Config.PeftType}, and this combination works on the factors of LoRAs; use one that ends in svd",
                not LoraConfig when svdRank is null => $"is {adapter.Config.PeftType}; say which rank the combination shall have",
                LoraConfig { UseDora: true } => "is a DoRA, whose magnitudes do not add up; merge it instead",
                LoraConfig { TrainableTokens.Count: > 0 } => "trains tokens, which replace rows of the embedding and do not add up",
                _ when adapter.Swaps.Count > 0 => "replaces parameters of the base (biases or saved modules), which do not add up",
                _ => null,
            };
            if (problem is not null)
            {
                throw new BadInputException($"adapter \"{adapter.Name}\" {problem}");
            }
        }
    }

    private static LowRankFactors Finite(Adapter adapter, string path, LowRankFactors update) =>
        update.A.All(double.IsFinite) && update.B.All(double.IsFinite)
        ? update
        : throw new BadInputException($"adapter \"{adapter.Name}\" holds NaN or infinity in \"{path}\" and cannot be combined");

    private void CheckRanks()
    {
        foreach (var (path, parts) in _layers)
        {
            if (parts.Select(part => part.Update.Rank).Distinct().Count() > 1)
            {
                throw new BadInputException(
                    $"the adapters have ranks {string.Join(" and ", parts.Select(part => part.Update.Rank))} on \"{path}\", and this " +
                    "combination needs equal ones; use svd, cat or another that ends in svd");
            }
        }
    }
}
