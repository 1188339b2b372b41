using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>Attaches a LoRA whose initial factors are computed from data that runs through the model: EVA (Paischer et al. 2024) and CorDA
/// (Yang et al. 2024) from the covariance of each layer's input, LoRA-GA (Wang et al. 2024) from the gradient of each layer's
/// weight.</summary>
internal sealed class LoraCalibrator(TransformerModel model, AdapterRegistry registry, ActiveSet set)
{
    /// <inheritdoc cref="PeftModel.AddCalibratedAdapter"/>
    public void Attach(LoraConfig config, Action run, string name, ulong seed)
    {
        var settings = config.Calibration;
        if (!config.Init.NeedsData)
        {
            throw new BadInputException($"the initialisation {config.Init} needs no data; use AddAdapter");
        }
        // A new adapter with B = 0 changes no output, and its hooks receive the inputs of the same layers.
        var plain = registry.Add(config with
        {
            Init = LoraInit.Default,
            UseDora = false,
            Bias = BiasMode.None,
            ModulesToSave = null,
            TrainableTokens = null
        }, new AttachContext(model, name, seed));
        LoraConfig final;
        Dictionary<string, LowRankFactors> factors;
        try
        {
            (final, factors) = Calibrate(config, Targets(plain), run, settings, seed);
        }
        finally
        {
            set.RemoveMerged();
            registry.Detach(plain);
        }
        registry.Add(final, new AttachContext(model, name, seed) { Factors = factors });
    }

    /// <summary>The linear layers of an adapter. Embeddings have no initialisation from data.</summary>
    private List<Target> Targets(Adapter plain) =>
        [.. from attached in plain.Layers
            let layer = model.Find(attached.Path) as Linear
            let part = attached.Layer as LoraLayer
            where layer is not null && part is not null
            select new Target(attached.Path, layer, part.A.Shape[0], part.Scale)];

    private (LoraConfig Config, Dictionary<string, LowRankFactors> Factors) Calibrate(LoraConfig config, List<Target> targets, Action run,
        Calibration settings, ulong seed)
    {
        if (config.Init == LoraInit.LoraGa)
        {
            var random = new Random(unchecked((int)seed));
            return (config, targets.ToDictionary(target => target.Path, target => LoraGaInit.Solve(GradientOf(target.Layer, run),
                () => BaseWeight.ToDouble(target.Path, target.Layer), target.Layer, target.Rank, target.Scale, settings, random),
                StringComparer.Ordinal));
        }
        using var inputs = new InputStatistics(targets.Select(target => target.Layer));
        set.Observer = inputs;
        try
        {
            run();
        }
        finally
        {
            set.Observer = null;
        }
        return config.Init == LoraInit.Eva
            ? EvaInit.Solve(config, [.. targets.Select(target => (target.Path, target.Layer))], inputs, settings)
            : (config, targets.ToDictionary(target => target.Path, target => CordaInit.Solve(
                BaseWeight.ToDouble(target.Path, target.Layer), target.Layer, target.Rank, target.Scale, inputs, settings),
                StringComparer.Ordinal));
    }

    /// <summary>∂L/∂W (out, in) of one layer. No other base weight requires a gradient during this pass, so only one such gradient is in
    /// memory.</summary>
    private double[] GradientOf(Linear layer, Action run)
    {
        using var copy = new Parameter(layer.Weight.Shape);
        var backend = layer.Weight.Value.Backend;
        backend.Cast(layer.Weight.Value, copy.Materialize(backend, DType.F32));
        var swap = new ParameterSwap(layer, "weight", new AdapterParameter("", "", "", copy));
        var trained = set.Active.SelectMany(adapter => adapter.Parameters).Select(p => p.Parameter).Where(p => p.RequiresGrad).ToList();
        try
        {
            trained.ForEach(parameter => parameter.RequiresGrad = false);
            swap.Activate();
            copy.RequiresGrad = true;
            run();
            float[] gradient = copy.Gradient is { } sum ? sum.ToArray<float>()
                : throw new BadInputException("no gradient came: run forward and backward while LoRA-GA looks");
            double[] doubles = Array.ConvertAll(gradient, x => (double)x);
            return layer.Transposed ? Numerics.Dense.Transpose(doubles, layer.Inputs, layer.Outputs) : doubles;
        }
        finally
        {
            swap.Deactivate();
            trained.ForEach(parameter => parameter.RequiresGrad = true);
        }
    }

    /// <summary>A linear layer with the rank and the scale that LoRA has on it.</summary>
    private sealed record Target(string Path, Linear Layer, int Rank, float Scale);
}
