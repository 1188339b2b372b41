using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>The layers a configuration selects, and the way a method gets its parts onto them: the method says what to make for a layer,
/// everything else (biases, modules trained whole, the configuration as it is saved) is done here.</summary>
internal sealed class TargetedLayers
{
    private readonly AttachContext _context;
    private readonly TargetedConfig _config;
    private readonly ModuleSelector _selector;

    /// <exception cref="BadInputException">Nothing is selected, or something a method cannot attach to.</exception>
    public TargetedLayers(AttachContext context, TargetedConfig config) : this(context, config, module => module is Linear or Embedding,
        "neither a linear layer nor an embedding")
    {
    }

    /// <summary>Selects layers of some kind.</summary>
    /// <param name="context">Where to attach.</param>
    /// <param name="config">What is attached.</param>
    /// <param name="accepts">What the method can attach to.</param>
    /// <param name="otherwise">What a module is not that is selected and not accepted.</param>
    public TargetedLayers(AttachContext context, TargetedConfig config, Func<Module, bool> accepts, string otherwise)
    {
        (_context, _config) = (context, config);
        _selector = config.TargetModules ?? DefaultTargets.For(context.Base.ModelType, config.PeftType);
        if (context.IsNew)
        {
            RefuseContradictions();
        }
        var filter = new TargetFilter(config.ExcludeModules, config.ModulesToSave, config.LayersToTransform, config.LayersPattern,
            context.IsNew);
        Layers = TargetMatching.Find(context.Base, _selector, filter, accepts, otherwise);
    }

    /// <summary>The layers with their paths, in the model's order.</summary>
    public IReadOnlyList<(string Path, Layer Layer)> Layers { get; }

    /// <summary>The linear layers; anything else is refused.</summary>
    public IReadOnlyList<(string Path, Linear Layer)> Linears => [.. Layers.Select(target => target.Layer is Linear linear
        ? (target.Path, linear)
        : throw new BadInputException(
        $"target modules: \"{target.Path}\" is an embedding, and {_config.PeftType} changes linear layers only; leave it out"))];

    /// <summary>Makes the adapter: one part a layer, then biases and whole modules that train beside it.</summary>
    /// <param name="make">Makes a layer's part from its path, the layer, and its number, which may serve as a stream of random
    /// numbers.</param>
    public Adapter Attach(Func<string, Linear, ulong, LayerAdapter> make)
    {
        var linears = Linears;
        var adapter = NewAdapter();
        ulong number = 0;
        foreach (var (path, layer) in linears)
        {
            adapter.Layers.Add((path, make(path, layer, number++)));
        }
        Finish(adapter);
        return adapter;
    }

    /// <summary>The adapter, still empty, with its configuration as it is saved: with the layers that were found for "all-linear", and the
    /// layout those have.</summary>
    public Adapter NewAdapter()
    {
        bool transposed = Layers.Any(target => target.Layer is Linear { Transposed: true });
        if (_context.Place is { } place && _config.Fields.HasFlag(TargetFields.FanInFanOut) && _config.FanInFanOut != transposed)
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

    /// <summary>Refuses a new adapter whose lists contradict each other. Of a file, one of the two counts as in Hugging Face PEFT, and its
    /// keys say which.</summary>
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

    /// <summary>Takes biases and whole modules along.</summary>
    public void Finish(Adapter adapter)
    {
        var saved = new SavedModules(_context, _config.ModulesToSave ?? []);
        adapter.Swaps.AddRange(saved.Biases(_config.Bias, [.. Layers.Select(target => target.Path)]));
        adapter.Swaps.AddRange(saved.Modules());
    }
}
