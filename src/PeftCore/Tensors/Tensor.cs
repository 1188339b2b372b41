namespace PeftCore.Tensors;

/// <summary>A handle on a contiguous, row-major slice of a <see cref="Storage"/>. Operations are extension members, each declared with its
/// op. A tensor created inside a <see cref="TensorScope"/> is freed with it unless it is returned or kept.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var scope = new TensorScope(); // frees the tensors below
/// var x = backend.From([1f, 2, 3, 4, 5, 6], [2, 3]);
/// var w = backend.From([1f, 0, 0, 0, 1, 0], [2, 3]);
/// var y = 2 * x.Linear(w) + 1; // x·wᵀ, (2, 2)
/// Console.WriteLine($"{y.Shape}: {string.Join(", ", y.ToFloats())}"); // (2, 2): 3, 5, 9, 11
/// </code>
/// </example>
public sealed class Tensor : IDisposable
{
    private Storage? _storage;

    // The TensorScope or the StorageFinalizer that frees this tensor, or the label of the scope that has: never two of them, and a step
    // without graphs creates hundreds of tensors.
    private object? _owner;

    // The node that takes the gradient, or the format of a quantised weight, which has none.
    private object? _gradFnOrFormat;

    private Tensor(Storage storage, Shape shape, DType dtype, long byteOffset, QuantizedFormat? format = null)
    {
        _storage = storage;
        Shape = shape;
        DType = dtype;
        ByteOffset = byteOffset;
        _gradFnOrFormat = format;
    }

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Storage format of the elements.</summary>
    public DType DType { get; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Bytes of the elements.</summary>
    public long ByteCount => Format is null ? Shape.Count * DType.Size : Format.PartsOf(Shape).Bytes;

    /// <summary>How the numbers of a quantised weight lie in memory; null for other dtypes.</summary>
    internal QuantizedFormat? Format => _gradFnOrFormat as QuantizedFormat;

    /// <summary>The device of the memory.</summary>
    internal IDevice Device => Storage.Device;

    /// <summary>Whether backward computes a gradient of this tensor.</summary>
    public bool RequiresGrad => GradFn is not null;

    /// <summary>The scope that frees this tensor; null if none does.</summary>
    internal TensorScope? Scope => _owner as TensorScope;

    /// <summary>The position among the tensors of the scope.</summary>
    internal int IndexInScope { get; private set; }

    /// <summary>Whether the tensor was not disposed yet.</summary>
    internal bool IsAlive => _storage is not null;

    internal Storage Storage => _storage is { Device.IsDisposed: false } storage ? storage : throw Gone();

    internal long ByteOffset { get; }

    /// <summary>The node of the backward graph that takes this tensor's gradient; null if it requires none. Autograd sets it.</summary>
    internal IGradFn? GradFn
    {
        get => _gradFnOrFormat as IGradFn;
        set => _gradFnOrFormat = Format is not { } format ? value : value is null ? format
            : throw new InvalidOperationException($"{this} is quantised and takes no gradient");
    }

    /// <summary>Creates a tensor that takes over the caller's reference to a new storage.</summary>
    internal static Tensor Owning(Storage storage, Shape shape, DType dtype) => TensorScope.Register(new Tensor(storage, shape, dtype, 0));

    /// <summary>Creates a quantised weight that takes over the caller's reference to a new storage.</summary>
    internal static Tensor Owning(Storage storage, Shape shape, QuantizedFormat format) =>
        TensorScope.Register(new Tensor(storage, shape, DType.Quantized, 0, format));

    /// <summary>A view of (part of) the same memory, in the current scope.</summary>
    internal Tensor View(Shape shape, long elementOffset = 0) => TensorScope.Register(NewView(shape, elementOffset));

    /// <summary>A view that no scope frees; its owner disposes it.</summary>
    internal Tensor Unscoped() => Unscoped(Shape, 0);

    internal Tensor Unscoped(Shape shape) => Unscoped(shape, 0);

    internal Tensor Unscoped(Shape shape, long elementOffset)
    {
        var view = NewView(shape, elementOffset);
        view.FreeWhenCollected();
        return view;
    }

    /// <summary>A view of some of the stored bytes of a quantised weight, such as its codes or scales, in the current scope.</summary>
    /// <param name="firstByte">The first byte, as <see cref="QuantizedFormat.PartsOf"/> gives it.</param>
    /// <param name="shape">Shape of the view.</param>
    /// <param name="dtype">Dtype of the view.</param>
    internal Tensor PartOf(long firstByte, Shape shape, DType dtype)
    {
        if (firstByte < 0 || firstByte + shape.Count * dtype.Size > ByteCount)
        {
            throw new ArgumentException($"{dtype}{shape} at byte {firstByte} is not a part of {this}");
        }
        Storage.AddReference();
        return TensorScope.Register(new Tensor(Storage, shape, dtype, ByteOffset + firstByte));
    }

    private Tensor NewView(Shape shape, long elementOffset)
    {
        if (Format is not null)
        {
            if (shape != Shape || elementOffset != 0)
            {
                throw new ShapeException("view", $"{this} is quantised, and has no view of another shape or of a part");
            }
            Storage.AddReference();
            return new Tensor(Storage, Shape, DType, ByteOffset, Format);
        }
        long first = elementOffset * DType.Size;
        if (first < 0 || first + shape.Count * DType.Size > ByteCount)
        {
            throw new ArgumentException($"a view of shape {shape} at element {elementOffset} does not fit in a tensor of shape {Shape}");
        }
        Storage.AddReference();
        return new Tensor(Storage, shape, DType, ByteOffset + first);
    }

    /// <summary>Removes this tensor from its scope: its memory is freed by <see cref="Dispose"/> or by the garbage collector.</summary>
    public Tensor Keep()
    {
        TensorScope.Forget(this);
        return this;
    }

    /// <summary>Moves this tensor to the scope of another one, so that both are freed together.</summary>
    internal Tensor SameScope(Tensor other)
    {
        TensorScope.AddToScopeOf(other, this);
        return this;
    }

    /// <summary>Releases the memory. The tensor cannot be used afterwards.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _storage, null) is { } storage)
        {
            if (_owner is StorageFinalizer finalizer)
            {
                GC.SuppressFinalize(finalizer);
            }
            storage.Release();
        }
    }

    /// <summary>Has the garbage collector release the memory of this tensor, which no scope frees, if nothing disposes it.</summary>
    internal void FreeWhenCollected()
    {
        if (_storage is not null && _owner is not StorageFinalizer)
        {
            _owner = new StorageFinalizer(_storage);
        }
    }

    /// <summary>Leaves the freeing of this tensor to a scope.</summary>
    internal void JoinScope(TensorScope scope, int index)
    {
        if (_owner is StorageFinalizer finalizer)
        {
            GC.SuppressFinalize(finalizer);
        }
        (_owner, IndexInScope) = (scope, index);
    }

    /// <summary>Releases the memory with the scope that this tensor belongs to.</summary>
    internal void EndWithScope(string label)
    {
        _owner = label;
        Dispose();
    }

    /// <summary>Ends the membership in a scope.</summary>
    internal void LeaveScope() => _owner = null;

    /// <summary>Makes a disposed tensor usable again, as the owner of a reactivated storage.</summary>
    internal void Reactivate(Storage storage)
    {
        _storage = storage;
        if (_owner is StorageFinalizer finalizer)
        {
            GC.ReRegisterForFinalize(finalizer);
        }
        else if (_owner is not TensorScope)
        {
            FreeWhenCollected();
        }
    }

    /// <inheritdoc/>
    public override string ToString() => _storage is { } storage ? $"{TypeName}{Shape} on {storage.Device.Name}"
        : $"{TypeName}{Shape}, freed";

    private string TypeName => Format?.Name ?? DType.ToString();

    private ObjectDisposedException Gone() => _storage is { } storage
        ? new ObjectDisposedException(storage.Device.GetType().Name,
            $"this {DType} tensor of shape {Shape} was on a {storage.Device.GetType().Name} ({storage.Device.Name}) that has been disposed; "
            + "dispose a backend after all that uses its tensors")
        : new ObjectDisposedException(nameof(Tensor), $"this {DType} tensor of shape {Shape} was " + (_owner is string label
            ? $"freed when its scope {(label.Length == 0 ? "" : $"\"{label}\" ")}ended; return it from the scope or call Keep() on it"
            : "disposed; dispose a tensor after its last use"));
}
