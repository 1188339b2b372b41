using PeftCore.Nn;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter on a model: its configuration, its parameters, the layers it changes, and the base parameters it replaces while it
/// is active.</summary>
internal sealed class Adapter(string name, PeftConfig config)
{
    private readonly List<Tensor> _owned = [];
    private Func<IEnumerable<SavedEntry>>? _state;
    private HashSet<Parameter> _frozen = [];

    public string Name => name;

    public PeftConfig Config { get; set; } = config;

    /// <summary>The adapter's layers by module path.</summary>
    public List<(string Path, LayerAdapter Layer)> Layers { get; } = [];

    /// <summary>Parameters that stand in the place of the base's own while the adapter is active.</summary>
    public List<ParameterSwap> Swaps { get; } = [];

    /// <summary>Token tables that are saved with the adapter because its file had them: the path of each and its key.</summary>
    public List<(string Path, string Key)> Tables { get; } = [];

    /// <summary>Parameters of the whole adapter rather than of one layer, such as a vector bank that all layers share.</summary>
    public List<AdapterParameter> Shared { get; } = [];

    /// <summary>Its parts where sublayers join the stream of a block.</summary>
    public List<ResidualAttachment> Residuals { get; } = [];

    /// <summary>What it puts before every sequence; null for nothing.</summary>
    public PromptEncoder? Prompt { get; set; }

    /// <summary>Constants that are saved along, by their keys.</summary>
    public List<(string Name, Tensor Value, bool Optional)> Constants { get; } = [];

    /// <summary>What training goes on from, where that is more than the adapter's own files hold; null where it is not.</summary>
    public Func<IEnumerable<SavedEntry>>? State
    {
        get => Prompt is { IsNetwork: true } network ? () => network.Parameters.Select(SavedEntry.Of) : _state;
        set => _state = value;
    }

    /// <summary>What the adapter adds to the loss while it trains; null for nothing.</summary>
    public Func<Tensor>? Penalty { get; set; }

    /// <summary>Runs before each step, with its number counted from 1 and how many batches' gradients it adds up; null for
    /// nothing.</summary>
    public Action<long, int>? BeforeStep { get; set; }

    /// <summary>Parameters whose elements have changed places, with the place each element had before, −1 for a new one. Whoever keeps
    /// something for each element takes note and empties the list.</summary>
    public List<(Parameter Parameter, int[] Before)> Permutations { get; } = [];

    /// <summary>Runs after each optimizer step, while the gradients are still there, with the number of steps done; null for
    /// nothing.</summary>
    public Action<long>? AfterStep { get; set; }

    public IEnumerable<AdapterParameter> Parameters =>
        Layers.SelectMany(layer => layer.Layer.Parameters.Select(p => p with { Path = layer.Path }))
        .Concat(ResidualParameters).Concat(Shared).Concat(Prompt?.Parameters ?? [])
        .Concat(Swaps.Where(swap => swap.IsTrainable).Select(swap => swap.Parameter));

    /// <summary>What the adapter's file holds.</summary>
    public IEnumerable<SavedEntry> Entries => Layers.SelectMany(layer => layer.Layer.Entries(layer.Path))
        .Concat(ResidualParameters.Concat(Shared).Select(SavedEntry.Of)).Concat(Prompt?.Entries ?? [])
        .Concat(Swaps.Where(swap => swap.IsTrainable).Select(swap => SavedEntry.Of(swap.Parameter)))
        .Concat(Constants.Select(constant => SavedEntry.Of(constant.Name, constant.Value) with { Optional = constant.Optional }));

    /// <summary>Why it cannot be merged as a whole; null if its layers decide.</summary>
    public string? MergeProblem => Prompt is not null ? $"{Config.PeftType} puts something before every sequence, which no weight can do"
        : Residuals.Count > 0 ? $"{Config.PeftType} inserts networks that are not linear, and no weight computes what they do"
        : null;

    private IEnumerable<AdapterParameter> ResidualParameters =>
        Residuals.SelectMany(sum => sum.Part.Parameters.Select(p => p with { Path = sum.Path }));

    /// <summary>Lets all parameters train, or none, whether the adapter is active or not.</summary>
    public void SetRequiresGrad(bool requiresGrad, bool active)
    {
        _frozen = requiresGrad ? [] : [.. Parameters.Select(p => p.Parameter)];
        Train(active);
    }

    /// <summary>Lets those parameters train again that trained when the adapter was last active.</summary>
    public void Activate() => Train(active: true);

    /// <summary>Freezes everything, and remembers what trained.</summary>
    public void Deactivate()
    {
        _frozen = [.. Parameters.Select(p => p.Parameter).Where(p => !p.RequiresGrad)];
        Train(active: false);
    }

    /// <summary>Takes over a constant, to be freed with the adapter.</summary>
    public void Own(Tensor constant) => _owned.Add(constant);

    public void Free()
    {
        Layers.ForEach(layer => layer.Layer.Free());
        _owned.ForEach(constant => constant.Dispose());
        foreach (var parameter in Parameters.Select(p => p.Parameter).Concat(Swaps.Select(swap => swap.Parameter.Parameter)).Distinct()
            .ToList())
        {
            parameter.Dispose();
        }
    }

    private void Train(bool active)
    {
        foreach (var parameter in Parameters)
        {
            parameter.Parameter.RequiresGrad = active && !_frozen.Contains(parameter.Parameter);
        }
    }
}

/// <summary>A parameter of an adapter and its names.</summary>
/// <param name="Path">Path of the module it belongs to.</param>
/// <param name="MemorySuffix">What follows the path in memory; {0} is the adapter's name.</param>
/// <param name="FileSuffix">What follows the path in the file.</param>
/// <param name="Parameter">The values.</param>
/// <param name="OfModel">It belongs to the whole adapter: its key in the file has no path.</param>
/// <param name="IsWhole">The suffixes are whole names.</param>
internal readonly record struct AdapterParameter(string Path, string MemorySuffix, string FileSuffix, Parameter Parameter,
    bool OfModel = false, bool IsWhole = false)
{
    /// <summary>What all keys of modules begin with.</summary>
    public const string Prefix = "base_model.model.";

    /// <summary>What keys of the whole adapter begin with.</summary>
    public const string ModelPrefix = "base_model.";

    /// <summary>The name Hugging Face PEFT has for it in memory.</summary>
    public string MemoryName(string adapter) =>
        (IsWhole ? "" : Prefix + Path + ".") + MemorySuffix.Replace("{0}", adapter, StringComparison.Ordinal);

    /// <summary>Its key in adapter_model.safetensors.</summary>
    public string FileName => IsWhole ? FileSuffix : OfModel ? ModelPrefix + FileSuffix : Prefix + Path + "." + FileSuffix;
}
