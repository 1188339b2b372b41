namespace PeftCore.Tensors;

/// <summary>A handle on a contiguous, row-major slice of a <see cref="Storage"/>. Operations are extension members, each declared with its
/// op. A tensor created inside a <see cref="TensorScope"/> is freed with it unless it is returned or kept.</summary>
public sealed class Tensor : IDisposable
{
    private Storage? _storage;

    private Tensor(Storage storage, Shape shape, DType dtype, long byteOffset)
    {
        _storage = storage;
        Shape = shape;
        DType = dtype;
        ByteOffset = byteOffset;
    }

    /// <summary>Releases the memory of a tensor that was created outside any scope and not disposed.</summary>
    ~Tensor() => _storage?.Release();

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Storage format of the elements.</summary>
    public DType DType { get; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Bytes of the elements.</summary>
    public long ByteCount => Shape.Count * DType.Size;

    /// <summary>The device of the memory.</summary>
    internal IDevice Device => Storage.Device;

    /// <summary>Whether backward computes a gradient of this tensor.</summary>
    public bool RequiresGrad => GradFn is not null;

    /// <summary>Whether the tensor was not disposed yet.</summary>
    internal bool IsAlive => _storage is not null;

    internal Storage Storage => _storage ?? throw new ObjectDisposedException(nameof(Tensor),
        $"this {DType} tensor of shape {Shape} was freed when its scope ended; return it from the scope or call Keep() on it");

    internal long ByteOffset { get; }

    /// <summary>The node of the backward graph that takes this tensor's gradient; null if it requires none. Autograd sets it.</summary>
    internal IGradFn? GradFn { get; set; }

    /// <summary>Creates a tensor that takes over the caller's reference to a new storage.</summary>
    internal static Tensor Owning(Storage storage, Shape shape, DType dtype) => TensorScope.Register(new Tensor(storage, shape, dtype, 0));

    /// <summary>A view of (part of) the same memory, in the current scope.</summary>
    internal Tensor View(Shape shape, long elementOffset = 0) => TensorScope.Register(Unscoped(shape, elementOffset));

    /// <summary>A view that no scope frees; its owner disposes it.</summary>
    internal Tensor Unscoped() => Unscoped(Shape, 0);

    internal Tensor Unscoped(Shape shape) => Unscoped(shape, 0);

    internal Tensor Unscoped(Shape shape, long elementOffset)
    {
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
        TensorScope.Forget(this);
        TensorScope.AddToScopeOf(other, this);
        return this;
    }

    /// <summary>Releases the memory. The tensor cannot be used afterwards.</summary>
    public void Dispose()
    {
        var storage = _storage;
        _storage = null;
        if (storage is not null)
        {
            GC.SuppressFinalize(this);
            storage.Release();
        }
    }

    /// <summary>Makes a disposed tensor usable again, as the owner of a reactivated storage.</summary>
    internal void Reactivate(Storage storage)
    {
        _storage = storage;
        GC.ReRegisterForFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => IsAlive ? $"{DType}{Shape} on {Device.Name}" : $"{DType}{Shape}, freed";
}
