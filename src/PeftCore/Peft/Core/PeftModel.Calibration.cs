using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Watches what goes into layers while data runs through; null otherwise.</summary>
    internal InputStatistics? Observer { get; private set; }

    /// <summary>Attaches a LoRA whose initialisation looks at data (EVA, CorDA, LoRA-GA) and makes it the only active adapter.</summary>
    /// <param name="config">Hyperparameters, with one of those initialisations. EVA moves ranks between the layers, and the adapter's
    /// configuration says where they went.</param>
    /// <param name="run">Runs some batches through <see cref="Base"/>; for LoRA-GA forward and backward, once for each layer.</param>
    /// <param name="name">The adapter's name.</param>
    /// <param name="settings">Settings of the initialisation; null for those of the configuration.</param>
    /// <param name="seed">Seed of what is random.</param>
    /// <exception cref="BadInputException">The initialisation needs no data, or none came.</exception>
    public void AddCalibratedAdapter(LoraConfig config, Action run, string name = DefaultAdapter, Calibration? settings = null,
        ulong seed = 0)
    {
        settings ??= config.Calibration;
        if (!config.Init.NeedsData)
        {
            throw new BadInputException($"the initialisation {config.Init} needs no data; use AddAdapter");
        }
        // A fresh adapter of the same layers changes nothing and stands where their inputs pass.
        AddAdapter(config with
        {
            Init = LoraInit.Default,
            UseDora = false,
            Bias = BiasMode.None,
            ModulesToSave = null,
            TrainableTokens = null
        }, name, seed);
        LoraConfig final;
        Dictionary<string, LowRankFactors> factors;
        try
        {
            (final, factors) = Calibrated(config,
                [.. Get(name).Layers.Select(layer => (layer.Path, Layer: (Base.Find(layer.Path) as Linear)!))
                    .Where(target => target.Layer is not null)],
                Get(name), run, settings, seed);
        }
        finally
        {
            Delete(name);
        }
        Register(Attach(final, new AttachContext(Base, name, seed) { Factors = factors }));
        SetActive(name);
    }

    /// <summary>Attaches an adapter whose shapes count and whose values do not, for plans and timings: an initialisation that needs data
    /// goes without them.</summary>
    /// <param name="config">Method and hyperparameters. With EVA every layer has the rank it asks for.</param>
    /// <param name="seed">Seed of its initial values.</param>
    internal void AddPlannedAdapter(PeftConfig config, ulong seed = 0)
    {
        Register(Attach(config, new AttachContext(Base, DefaultAdapter, seed) { ShapesOnly = true }));
        SetActive(DefaultAdapter);
    }

    /// <summary>Attaches a LoRA whose initialisation looked at data, as <see cref="SaveState"/> left it, without looking again. It is the
    /// only active adapter, ready to train.</summary>
    /// <param name="config">The hyperparameters the run began with.</param>
    /// <param name="directory">Where the state was saved.</param>
    /// <param name="name">The adapter's name.</param>
    /// <param name="seed">Seed of what is random.</param>
    /// <exception cref="BadInputException">The state does not fit the configuration.</exception>
    public void ResumeCalibratedAdapter(LoraConfig config, string directory, string name = DefaultAdapter, ulong seed = 0)
    {
        if (!config.Init.ChangesBase)
        {
            Load(directory, name, trainable: true); // Its file says where the ranks went.
            return;
        }
        using (var source = OpenState(directory, name))
        {
            var factors = source.Names.Where(entry => entry.EndsWith(LoraState.InitialA, StringComparison.Ordinal))
                .Select(entry => entry[..^LoraState.InitialA.Length])
                .ToDictionary(path => path, path => LowRankFactors.Of(source.Get(path + LoraState.InitialA),
                    source.Get(path + LoraState.InitialB)), StringComparer.Ordinal);
            Register(Attach(config, new AttachContext(Base, name, seed) { Factors = factors }));
        }
        SetActive(name);
        LoadState(directory, name);
    }

    private (LoraConfig Config, Dictionary<string, LowRankFactors> Factors) Calibrated(LoraConfig config,
        List<(string Path, Linear Layer)> targets, Adapter plain, Action run,
        Calibration settings, ulong seed)
    {
        if (config.Init == LoraInit.LoraGa)
        {
            var random = new Random(unchecked((int)seed));
            return (config, targets.ToDictionary(target => target.Path, target =>
            {
                var part = FactorsOf(plain, target.Path);
                return LoraGaInit.Solve(GradientOf(target.Layer, run), () => BaseWeight.ToDouble(target.Path, target.Layer),
                    target.Layer, part.A.Shape[0], part.Scale, settings, random);
            }, StringComparer.Ordinal));
        }
        using var inputs = new InputStatistics(targets.Select(target => target.Layer));
        Observer = inputs;
        try
        {
            run();
        }
        finally
        {
            Observer = null;
        }
        return config.Init == LoraInit.Eva ? EvaInit.Solve(config, targets, inputs, settings)
            : (config, targets.ToDictionary(target => target.Path, target =>
        {
            var part = FactorsOf(plain, target.Path);
            return CordaInit.Solve(BaseWeight.ToDouble(target.Path, target.Layer), target.Layer, part.A.Shape[0], part.Scale,
                inputs, settings);
        }, StringComparer.Ordinal));
    }

    private static LoraLayer FactorsOf(Adapter adapter, string path) =>
        (LoraLayer)adapter.Layers.Find(layer => layer.Path == path).Layer;

    /// <summary>∂L/∂W (out, in) of one layer. It alone trains for that time, so that one gradient of a base weight is alive at
    /// once.</summary>
    private double[] GradientOf(Linear layer, Action run)
    {
        var copy = new Parameter(layer.Weight.Shape);
        var backend = layer.Weight.Value.Backend;
        backend.Cast(layer.Weight.Value, copy.Materialize(backend, DType.F32));
        var swap = new ParameterSwap(layer, "weight", new AdapterParameter("", "", "", copy));
        var trained = Parameters.Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter).ToList();
        try
        {
            trained.ForEach(parameter => parameter.RequiresGrad = false);
            swap.Activate();
            copy.RequiresGrad = true;
            run();
            float[] gradient = copy.Gradient is { } sum ? sum.ToArray<float>()
                : throw new BadInputException("no gradient came: run forward and backward while LoRA-GA looks");
            double[] wide = Array.ConvertAll(gradient, x => (double)x);
            return layer.Transposed ? Numerics.Dense.Transpose(wide, layer.Inputs, layer.Outputs) : wide;
        }
        finally
        {
            swap.Deactivate();
            copy.Dispose();
            trained.ForEach(parameter => parameter.RequiresGrad = true);
        }
    }
}
