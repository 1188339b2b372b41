using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>The layers that a configuration targets. A method passes <see cref="Attach"/> a function that creates its adapter of one layer;
/// this class handles biases, modules that are trained in full, and the saved configuration.</summary>
internal sealed class TargetedLayers
{
    private readonly AttachContext _context;
    private readonly TargetedConfig _config;
    private readonly ModuleSelector _selector;

    /// <exception cref="BadInputException">No module is selected, or one is of a kind that the method does not support.</exception>
    public TargetedLayers(AttachContext context, TargetedConfig config) : this(context, config, module => module is Linear or Embedding,
        "neither a linear layer nor an embedding")
    {
    }

    /// <summary>Selects layers of a method that changes convolutions as well.</summary>
    public static TargetedLayers WithConvolutions(AttachContext context, TargetedConfig config)
    {
        var targets = new TargetedLayers(context, config, module => module is MatrixLayer or Embedding,
            "neither a linear layer nor a convolution nor an embedding");
        foreach (var (path, layer) in targets.Layers)
        {
            if (layer is MatrixLayer { AdapterProblem: { } problem })
            {
                throw new BadInputException(
                    $"target modules: \"{path}\" is {problem}, for which adapter files have no form; leave it out");
            }
        }
        return targets;
    }

    /// <summary>Selects layers of the kinds a method accepts.</summary>
    /// <param name="context">The model and the adapter's name.</param>
    /// <param name="config">The method's configuration.</param>
    /// <param name="accepts">Whether the method can attach to a module.</param>
    /// <param name="otherwise">The accepted kinds for the error sentence: "neither … nor …".</param>
    public TargetedLayers(AttachContext context, TargetedConfig config, Func<Module, bool> accepts, string otherwise)
    {
        (_context, _config) = (context, config);
        _selector = config.TargetModules?.ForNamesOf(context.Base) ?? DefaultTargets.In(context.Base, config.PeftType);
        if (context.IsNew)
        {
            RefuseContradictions();
        }
        var filter = new TargetFilter(config.ExcludeModules?.ForNamesOf(context.Base), config.ModulesToSave, config.LayersToTransform,
            config.LayersPattern, context.IsNew);
        // No names at all: PEFT's way to adapt parameters only.
        bool onlyParameters = config is Lora.LoraConfig { TargetParameters.Count: > 0 } && _selector.Names is [];
        Layers = onlyParameters ? [] : TargetMatching.Find(context.Base, _selector, filter, accepts, otherwise);
    }

    /// <summary>The layers with their paths, in the model's order.</summary>
    public IReadOnlyList<(string Path, Layer Layer)> Layers { get; }

    /// <summary>The layers, all of which must be linear.</summary>
    /// <exception cref="BadInputException">A layer is an embedding.</exception>
    public IReadOnlyList<(string Path, Linear Layer)> Linears => [.. Layers.Select(target => (target.Path, AsKind<Linear>(target)))];

    /// <summary>Creates the adapter: one part per layer, then trained biases and modules to save.</summary>
    /// <param name="make">Creates a layer's part from its path, the layer and its index, which selects the random stream.</param>
    public Adapter Attach(Func<string, Linear, ulong, LayerAdapter> make) => Attach(Linears, make);

    /// <summary>Creates the adapter of linear layers and convolutions.</summary>
    /// <param name="make">Creates a layer's part from its path, the layer and its index, which selects the random stream.</param>
    /// <exception cref="BadInputException">A layer is an embedding.</exception>
    public Adapter AttachMatrices(Func<string, MatrixLayer, ulong, LayerAdapter> make) =>
        Attach([.. Layers.Select(target => (target.Path, AsKind<MatrixLayer>(target)))], make);

    private Adapter Attach<TLayer>(IReadOnlyList<(string Path, TLayer Layer)> layers, Func<string, TLayer, ulong, LayerAdapter> make)
    {
        var adapter = NewAdapter();
        ulong number = 0;
        foreach (var (path, layer) in layers)
        {
            adapter.Layers.Add((path, make(path, layer, number++)));
        }
        Finish(adapter);
        return adapter;
    }

    private TLayer AsKind<TLayer>((string Path, Layer Layer) target) where TLayer : Layer => target.Layer as TLayer
        ?? throw new BadInputException($"target modules: \"{target.Path}\" is an embedding, and {_config.PeftType} changes " +
            $"{(typeof(TLayer) == typeof(Linear) ? "linear layers" : "linear layers and convolutions")} only; leave it out");

    /// <summary>Creates an empty adapter with the configuration that is saved: "all-linear" is replaced by the layers it selects,
    /// fan_in_fan_out by their layout.</summary>
    public Adapter NewAdapter()
    {
        bool transposed = Layers.Any(target => target.Layer is Linear { Transposed: true });
        if (_context.Place is { } place && _config.HasFanInFanOut && _config.FanInFanOut != transposed)
        {
            _context.Warnings?.Add(
                $"{place}: fan_in_fan_out is {(transposed ? "false, but the layers store their weights" : "true, but the layers do not " +
                "store their weights")} as (in, out); what the layers do counts");
        }
        return _context.NewAdapter(_config with
        {
            TargetModules = _selector.IsAllLinear ? ModuleSelector.Of([.. Layers.Select(target => target.Path)]) : _selector,
            FanInFanOut = transposed,
        });
    }

    /// <summary>Throws if the lists of a new adapter contradict each other. A file may have such lists, because Hugging Face PEFT has a
    /// precedence for them.</summary>
    private void RefuseContradictions()
    {
        foreach (string name in _config.TargetModules?.Names ?? [])
        {
            if (_config.ExcludeModules?.Names?.Contains(name) == true)
            {
                throw new BadInputException($"target modules: \"{name}\" is named in exclude_modules as well; name it in one of them");
            }
        }
        int blocks = _context.Base.LayerCount;
        var layers = _config.LayersToTransform ?? [];
        if (layers.Any(IsBlock) && !layers.All(IsBlock))
        {
            throw new BadInputException(
                $"layers_to_transform: there is no layer {layers.First(number => !IsBlock(number))} of {blocks}; they count from 0");
        }

        bool IsBlock(int number) => number >= 0 && number < blocks;
    }

    /// <summary>Adds the trained biases and modules to save.</summary>
    public void Finish(Adapter adapter)
    {
        var saved = new SavedModules(_context, _config.ModulesToSave ?? []);
        adapter.Swaps.AddRange(saved.Biases(_config.Bias, [.. Layers.Select(target => target.Path)]));
        adapter.Swaps.AddRange(saved.Modules());
    }
}
