namespace PeftCore.Tensors;

/// <summary>A handle on a contiguous, row-major slice of a <see cref="Storage"/>. Operations on tensors are extension members declared
/// beside each op. A tensor made inside a <see cref="TensorScope"/> is freed with it unless it is returned or kept.</summary>
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

    /// <summary>Returns memory of a handle nobody disposed: one made outside any scope.</summary>
    ~Tensor() => _storage?.Release();

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>How elements are stored.</summary>
    public DType DType { get; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Number of bytes the elements take.</summary>
    public long ByteCount => Shape.Count * DType.Size;

    /// <summary>Where the elements live.</summary>
    public IDevice Device => Storage.Device;

    /// <summary>Whether a backward pass can bring a gradient here.</summary>
    public bool RequiresGrad => GradFn is not null;

    /// <summary>False once the memory was let go.</summary>
    public bool IsAlive => _storage is not null;

    internal Storage Storage => _storage ?? throw new ObjectDisposedException(nameof(Tensor),
        $"this {DType} tensor of shape {Shape} was freed when its scope ended; return it from the scope or call Keep() on it");

    internal long ByteOffset { get; }

    /// <summary>The node of the backward graph that takes this tensor's gradient; null if it requires none. Autograd sets it.</summary>
    internal IGradFn? GradFn { get; set; }

    /// <summary>Takes over the caller's reference to a fresh storage.</summary>
    internal static Tensor Owning(Storage storage, Shape shape, DType dtype) => TensorScope.Register(new Tensor(storage, shape, dtype, 0));

    /// <summary>Another handle on (part of) the same memory.</summary>
    internal Tensor View(Shape shape, long elementOffset = 0) => TensorScope.Register(Unscoped(shape, elementOffset));

    /// <summary>Another handle that no scope frees: its holder disposes it.</summary>
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

    /// <summary>Takes this tensor out of every scope: it lives until <see cref="Dispose"/> or until nothing refers to it.</summary>
    public Tensor Keep()
    {
        TensorScope.Forget(this);
        return this;
    }

    /// <summary>Moves this tensor to the scope another one belongs to, so that both are freed together.</summary>
    internal Tensor SameScope(Tensor other)
    {
        TensorScope.Forget(this);
        TensorScope.AddBeside(other, this);
        return this;
    }

    /// <summary>Lets go of the memory. The tensor cannot be used afterwards.</summary>
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

    /// <summary>Makes a handle that was disposed the owner of a storage that was brought back.</summary>
    internal void Reactivate(Storage storage)
    {
        _storage = storage;
        GC.ReRegisterForFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => IsAlive ? $"{DType}{Shape} on {Device.Name}" : $"{DType}{Shape}, freed";
}
