using PeftCore.Nn;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter: its configuration, its <see cref="LayerAdapter"/>s, its <see cref="ResidualAdapter"/>s, its prompt, and the
/// parameters that replace the base's while it is active.</summary>
internal sealed class Adapter(string name, PeftConfig config)
{
    private readonly List<Tensor> _owned = [];
    private Func<IEnumerable<SavedEntry>>? _state;
    private HashSet<Parameter> _frozen = [];

    public string Name => name;

    /// <summary>This adapter as the only one of a call. It is one array, so that hooks look their parts up once.</summary>
    public Adapter[] Alone => field ??= [this];

    /// <summary>Whether the adapter was attached and is no more.</summary>
    public bool IsDetached { get; set; }

    public PeftConfig Config { get; set; } = config;

    /// <summary>The adapters of single layers, with the layers' module paths.</summary>
    public List<(string Path, LayerAdapter Layer)> Layers { get; } = [];

    /// <summary>Parameters that replace the base's own while the adapter is active.</summary>
    public List<ParameterSwap> Swaps { get; } = [];

    /// <summary>Token tables that are saved with the adapter because its file had them: module path and key.</summary>
    public List<(string Path, string Key)> Tables { get; } = [];

    /// <summary>Parameters that all layers share, such as a vector bank.</summary>
    public List<AdapterParameter> Shared { get; } = [];

    /// <summary>The adapters of residual sums.</summary>
    public List<ResidualAttachment> Residuals { get; } = [];

    /// <summary>Computes virtual tokens or prefixes; null for none.</summary>
    public PromptEncoder? Prompt { get; set; }

    /// <summary>Constants that are saved with the adapter, by key; a file may omit the optional ones.</summary>
    public List<(string Name, Tensor Value, bool Optional)> Constants { get; } = [];

    /// <summary>Entries of a checkpoint that resuming needs in addition to the adapter's files; null for none.</summary>
    public Func<IEnumerable<SavedEntry>>? State
    {
        get => Prompt is { IsNetwork: true } network ? () => network.Parameters.Select(SavedEntry.Of) : _state;
        set => _state = value;
    }

    /// <summary>A regularisation term of the training loss; null for none.</summary>
    public Func<Tensor>? Penalty { get; set; }

    /// <summary>Called before each step with its number, from 1, and the number of micro batches that it accumulates; null for
    /// none.</summary>
    public Action<long, int>? BeforeStep { get; set; }

    /// <summary>Parameters whose elements were permuted: element i was element Before[i], or is new where that is −1. The optimizer
    /// permutes its moments in the same way (<see cref="StepHooks.TakePermutations"/>).</summary>
    public List<(Parameter Parameter, int[] Before)> Permutations { get; } = [];

    /// <summary>Called after each optimizer step with its number, from 1, before the gradients are freed; null for none.</summary>
    public Action<long>? AfterStep { get; set; }

    /// <summary>All trainable parameters.</summary>
    public IEnumerable<AdapterParameter> Parameters =>
        Layers.SelectMany(layer => layer.Layer.Parameters.Select(p => p with { Path = layer.Path }))
        .Concat(ResidualParameters).Concat(Shared).Concat(Prompt?.Parameters ?? [])
        .Concat(Swaps.Where(swap => swap.IsTrainable).Select(swap => swap.Parameter));

    /// <summary>The tensors in the adapter's file.</summary>
    public IEnumerable<SavedEntry> Entries => Layers.SelectMany(layer => layer.Layer.Entries(layer.Path))
        .Concat(ResidualParameters.Concat(Shared).Select(SavedEntry.Of)).Concat(Prompt?.Entries ?? [])
        .Concat(Swaps.Where(swap => swap.IsTrainable).Select(swap => SavedEntry.Of(swap.Parameter)))
        .Concat(Constants.Select(constant => SavedEntry.Of(constant.Name, constant.Value) with { Optional = constant.Optional }));

    /// <summary>The reason why the adapter cannot be merged; null if it can. The reasons of single layers are checked separately.</summary>
    public string? MergeProblem => Prompt is not null ? $"{Config.PeftType} puts something before every sequence, which no weight can do"
        : Residuals.Count > 0 ? $"{Config.PeftType} inserts networks that are not linear, and no weight computes what they do"
        : null;

    private IEnumerable<AdapterParameter> ResidualParameters =>
        Residuals.SelectMany(sum => sum.Part.Parameters.Select(p => p with { Path = sum.Path }));

    /// <summary>Makes all parameters trainable, or freezes them. They require gradients only while the adapter is active.</summary>
    /// <param name="requiresGrad">Whether they are trainable.</param>
    /// <param name="active">Whether the adapter is active now.</param>
    public void SetRequiresGrad(bool requiresGrad, bool active)
    {
        _frozen = requiresGrad ? [] : [.. Parameters.Select(p => p.Parameter)];
        SetRequiresGrad(active);
    }

    /// <summary>Makes the trainable parameters require gradients.</summary>
    public void Activate() => SetRequiresGrad(active: true);

    /// <summary>Makes no parameter require a gradient. <see cref="Activate"/> restores the trainable ones.</summary>
    public void Deactivate()
    {
        _frozen = [.. Parameters.Select(p => p.Parameter).Where(p => !p.RequiresGrad)];
        SetRequiresGrad(active: false);
    }

    /// <summary>Takes ownership of a constant, which is freed with the adapter.</summary>
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

    private void SetRequiresGrad(bool active)
    {
        foreach (var parameter in Parameters)
        {
            parameter.Parameter.RequiresGrad = active && !_frozen.Contains(parameter.Parameter);
        }
    }
}

/// <summary>A parameter of an adapter with its names in Hugging Face PEFT's memory and in files.</summary>
/// <param name="Path">Path of the parameter's module.</param>
/// <param name="MemorySuffix">Follows the path in memory; {0} is replaced by the adapter's name.</param>
/// <param name="FileSuffix">Follows the path in the file.</param>
/// <param name="Parameter">The values.</param>
/// <param name="OfModel">Whether the parameter belongs to the whole adapter, so that its key in the file has no path.</param>
/// <param name="IsWhole">Whether the suffixes are complete names.</param>
internal readonly record struct AdapterParameter(string Path, string MemorySuffix, string FileSuffix, Parameter Parameter,
    bool OfModel = false, bool IsWhole = false)
{
    /// <summary>The prefix of every key of a module.</summary>
    public const string Prefix = "base_model.model.";

    /// <summary>The prefix of keys of the whole adapter.</summary>
    public const string ModelPrefix = "base_model.";

    /// <summary>The parameter's name in Hugging Face PEFT's memory.</summary>
    public string MemoryName(string adapter) =>
        (IsWhole ? "" : Prefix + Path + ".") + MemorySuffix.Replace("{0}", adapter, StringComparison.Ordinal);

    /// <summary>The parameter's key in adapter_model.safetensors.</summary>
    public string FileName => IsWhole ? FileSuffix : OfModel ? ModelPrefix + FileSuffix : Prefix + Path + "." + FileSuffix;
}
