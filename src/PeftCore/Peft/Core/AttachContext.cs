using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The inputs of a method's attachment to a model, and the allocator of its parameters and constants: if attaching fails, all that
/// was allocated here is freed.</summary>
/// <param name="model">The base model, without any adapter's changes.</param>
/// <param name="name">The adapter's name.</param>
/// <param name="seed">Seed of the initial values.</param>
/// <param name="elementLimit">Upper bound of the elements of a saved adapter, from the size of its file; null for a new one. A
/// configuration with more elements is an error before memory is allocated.</param>
internal sealed class AttachContext(TransformerModel model, string name, ulong seed, long? elementLimit = null)
{
    private readonly List<Parameter> _made = [];
    private Adapter? _adapter;
    private long _elements;

    public TransformerModel Base => model;

    public Backend Backend { get; } = model.Backend;

    public string Name => name;

    public ulong Seed => seed;

    /// <summary>Whether the adapter is new, and not read from a file. A new configuration is checked for likely mistakes, such as a pattern
    /// that matches nothing; a file by another program may have them.</summary>
    public bool IsNew { get; init; } = elementLimit is null;

    /// <summary>Whether to compute Hugging Face PEFT's gradients where those differ from the derivatives, and its outputs where those
    /// differ from what it merges.</summary>
    public bool LikeReference { get; init; }

    /// <summary>Initial factors of LoRA layers, computed from data, by path; null for none.</summary>
    public IReadOnlyDictionary<string, Lora.LowRankFactors>? Factors { get; init; }

    /// <summary>Whether only shapes matter, so that an initialisation that needs data is skipped.</summary>
    public bool ShapesOnly { get; init; }

    /// <summary>The file the configuration was read from; null for a new adapter.</summary>
    public string? Place { get; init; }

    /// <summary>The weights the adapter is read from; null for a new adapter.</summary>
    public AdapterWeights? Stored { get; init; }

    /// <summary>Receives a sentence for each warning; null to ignore them.</summary>
    public ICollection<string>? Warnings { get; init; }

    /// <summary>Creates the adapter, still empty.</summary>
    /// <param name="config">The configuration as it will be saved.</param>
    public Adapter NewAdapter(PeftConfig config) => _adapter = new Adapter(name, config);

    /// <summary>The adapter that is being created.</summary>
    public Adapter Adapter => _adapter ?? throw new InvalidOperationException("make the adapter first: it owns what is made for it");

    /// <summary>Allocates an F32 parameter of the adapter, contents undefined.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="packed">Whether the file stores the parameter in fewer elements.</param>
    public Parameter NewParameter(Shape shape, bool packed = false)
    {
        RefuseMoreThanStored(packed ? 0 : shape.Count);
        _elements += packed ? 0 : shape.Count;
        var parameter = new Parameter(shape);
        _made.Add(parameter);
        parameter.Materialize(Backend, DType.F32).Storage.Recategorize(MemoryKind.Trainable);
        return parameter;
    }

    /// <summary>Throws if the configuration needs more elements than its file can hold, before they are computed or allocated.</summary>
    /// <param name="elements">Elements that the file must hold, in addition to the parameters so far.</param>
    public void RefuseMoreThanStored(long elements)
    {
        if (_elements + elements > elementLimit)
        {
            throw new BadInputException(
                $"the configuration asks for at least {_elements + elements} elements, more than the weight file beside it holds; they " +
                "do not belong together");
        }
    }

    /// <summary>Allocates a constant of the adapter, contents undefined: frozen, and freed with the adapter.</summary>
    public Tensor NewConstant(Shape shape, DType dtype = DType.F32) => Own(Backend.NewTensor(shape, dtype, MemoryKind.Frozen).Keep());

    /// <summary>Allocates a constant with values.</summary>
    public Tensor NewConstant(ReadOnlySpan<float> values, Shape shape) => Own(Backend.From(values, shape, MemoryKind.Frozen).Keep());

    /// <summary>Allocates a constant of integers.</summary>
    public Tensor NewConstant(ReadOnlySpan<int> values, Shape shape) => Own(Backend.From(values, shape, MemoryKind.Frozen).Keep());

    /// <summary>The shape of a tensor in the adapter's file; null for a new adapter, or if the file has no such tensor.</summary>
    public long[]? StoredShape(string name) => Stored is { } file && file.TryGet(name, out var entry) ? entry.Shape : null;

    /// <summary>Creates a frozen copy of a base parameter, which is not saved.</summary>
    public Parameter NewFrozen(Parameter original)
    {
        var copy = new Parameter(original.Shape);
        _made.Add(copy);
        Backend.Copy(original.Value, copy.Materialize(Backend, original.Value.DType));
        return copy;
    }

    /// <summary>Creates an F32 parameter with the values of a base parameter.</summary>
    /// <param name="original">The base's parameter.</param>
    /// <param name="path">The module's path, for an error.</param>
    /// <exception cref="BadInputException">The parameter is quantised.</exception>
    public Parameter NewCopy(Parameter original, string path)
    {
        original.RefuseIfQuantized("train a copy of", path);
        var copy = NewParameter(original.Shape);
        Backend.Cast(original.Value, copy.Value);
        return copy;
    }

    private Tensor Own(Tensor constant)
    {
        Adapter.Own(constant);
        return constant;
    }

    /// <summary>Frees all memory allocated here, after attaching has failed.</summary>
    public void Free()
    {
        _adapter?.Free();
        _made.ForEach(parameter => parameter.Dispose());
    }
}
