using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A tensor that belongs to a model. It is frozen until <see cref="RequiresGrad"/> is set. Only F32 can require a gradient, so a
/// half-precision weight is converted to F32 then.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var scope = new TensorScope();
/// using var parameter = new Parameter([2]);
/// parameter.Set(backend.From([3f, 4], parameter.Shape));
/// parameter.RequiresGrad = true;
/// using (var tape = new Tape())
/// {
///     tape.Backward((parameter.Value * parameter.Value).Sum());
/// }
/// Console.WriteLine(string.Join(", ", parameter.Gradient!.ToFloats())); // 6, 8
/// </code>
/// </example>
public sealed class Parameter : IDisposable
{
    private Tensor? _value;
    private bool _isDisposed;

    /// <summary>Declares a parameter; its memory is allocated by <see cref="Materialize(Backend, DType)"/> or <see cref="Set"/>.</summary>
    public Parameter(Shape shape) => Shape = shape;

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>The values.</summary>
    /// <exception cref="InvalidOperationException">The model has neither been loaded nor initialised.</exception>
    /// <exception cref="ObjectDisposedException">The parameter, its module or its model was disposed.</exception>
    public Tensor Value
    {
        get
        {
            var value = _value ?? throw (_isDisposed
                ? new ObjectDisposedException(nameof(Parameter), $"this parameter of shape {Shape} was disposed, with its module or " +
                    "alone; use a model before it is disposed, or load it again")
                : new InvalidOperationException("this model has no weights yet: load or initialise it first"));
            Offloaded?.EnsureResident();
            return value;
        }
    }

    /// <summary>Keeps the values off the device; null if they are on it.</summary>
    internal OffloadedParameter? Offloaded { get; set; }

    /// <summary>Whether the values are those of a weight file, byte for byte, at an address that the processor can read in place.</summary>
    internal bool IsInFile { get; set; }

    /// <summary>Bytes of the values, and whether there are any; reading them does not make an offloaded parameter resident.</summary>
    internal long ByteCount => _value?.ByteCount ?? 0;

    /// <summary>Whether the values cannot be written: they are kept off the device.</summary>
    internal bool IsReadOnly => Offloaded is not null;

    /// <summary>Whether the values are a constant that is saved with the model and never trained: a buffer, in PyTorch's words.</summary>
    internal bool IsBuffer { get; init; }

    /// <summary>Whether there are values.</summary>
    internal bool IsMaterialized => _value is not null;

    /// <summary>The gradient accumulated by backward passes; null before any.</summary>
    public Tensor? Gradient => _value?.Gradient;

    /// <summary>Whether backward passes accumulate a gradient for this parameter.</summary>
    public bool RequiresGrad
    {
        get => _value is { RequiresGrad: true };
        set
        {
            if (value && !IsBuffer)
            {
                if (IsReadOnly)
                {
                    throw new BadInputException($"a weight of shape {Shape} is kept off the device, where nothing trains it; load the " +
                        "model without a memory limit, or train other parameters");
                }
                ConvertToF32();
                Value.Storage.Recategorize(MemoryKind.Trainable);
                Value.TrackGradient();
            }
            else if (_value is { RequiresGrad: true })
            {
                Value.UntrackGradient();
                Value.Storage.Recategorize(MemoryKind.Frozen);
            }
        }
    }

    /// <summary>Allocates the values, contents undefined.</summary>
    internal Tensor Materialize(Backend backend, DType dtype)
    {
        Set(Offloaded is { } offloaded ? offloaded.NewTensor(backend, Shape, dtype) : backend.NewTensor(Shape, dtype, MemoryKind.Frozen));
        return Value;
    }

    /// <summary>Allocates a quantised weight, contents undefined.</summary>
    internal Tensor Materialize(Backend backend, QuantizedFormat format)
    {
        Set(Offloaded is { } offloaded ? offloaded.NewTensor(backend, Shape, format) : backend.NewTensor(Shape, format));
        return Value;
    }

    /// <summary>Allocates values of the dtype, or format, of a tensor, contents undefined.</summary>
    internal Tensor MaterializeLike(Tensor value) => value.Format is { } format
        ? Materialize(value.Backend, format)
        : Materialize(value.Backend, value.DType);

    /// <summary>Makes a tensor the values; the parameter owns it.</summary>
    public void Set(Tensor value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (value.Shape != Shape)
        {
            throw new ShapeException("parameter", $"a parameter of shape {Shape} cannot hold {value}");
        }
        if (ReferenceEquals(value, _value))
        {
            return;
        }
        if (Offloaded is not null && !value.Storage.IsExternal)
        {
            var own = value.Format is { } format ? Offloaded.NewTensor(value.Backend, value.Shape, format)
                : Offloaded.NewTensor(value.Backend, value.Shape, value.DType);
            value.Backend.Copy(value, own);
            value.Dispose();
            value = own;
        }
        bool trained = RequiresGrad;
        Dispose();
        (_value, _isDisposed) = (value.Keep(), false);
        if (trained)
        {
            RequiresGrad = true;
        }
    }

    /// <summary>Frees the values and their gradient.</summary>
    public void Dispose()
    {
        if (_value is { } value)
        {
            _isDisposed = true;
            value.UntrackGradient();
            value.Dispose();
            _value = null;
        }
    }

    /// <summary>Throws if the values are quantised, for what needs the weight itself.</summary>
    /// <param name="what">What it is needed for, as an infinitive.</param>
    /// <param name="path">The weight's path; empty if unknown.</param>
    /// <exception cref="BadInputException">The weight is quantised.</exception>
    internal void RefuseIfQuantized(string what, string path)
    {
        if (_value is { Format: { } format })
        {
            string name = path.Length == 0 ? $"a weight of shape {Shape}" : $"the weight of \"{path}\"";
            throw new BadInputException($"{name} is quantised ({format.Name}), so there is nothing to {what}: choose a method that adds "
                + "parameters beside it, such as LoRA, leave the layer out, or load the model without quantisation");
        }
    }

    private void ConvertToF32()
    {
        if (Value.DType == DType.F32)
        {
            return;
        }
        RefuseIfQuantized("train", "");
        var wide = Value.NewLike(Shape, kind: MemoryKind.Trainable);
        wide.Backend.Cast(Value, wide);
        Set(wide);
    }
}
