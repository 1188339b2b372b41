namespace PeftCore.Io;

/// <summary>A file of tensors, of any format. The bytes of a tensor are those of its elements in row-major order; a format that packs them
/// unpacks what is asked for (<see cref="ElementTypeOf"/>).</summary>
internal abstract class TensorFile : IDisposable
{
    /// <summary>The path.</summary>
    public abstract string Path { get; }

    /// <summary>The tensors by name.</summary>
    public abstract IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <summary>Texts about the file; empty without any.</summary>
    public abstract IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of the tensor data in the file.</summary>
    public abstract long DataLength { get; }

    /// <summary>The element type in which the bytes of tensors of a stored type are given.</summary>
    public virtual string ElementTypeOf(string dtype) => dtype;

    /// <summary>The dtype of a parameter that is read from a stored type, unless another one is asked for.</summary>
    public virtual string DefaultTypeOf(string dtype) => dtype;

    /// <summary>A piece of a tensor.</summary>
    /// <param name="entry">A tensor of this file.</param>
    /// <param name="offset">Offset of the piece in the tensor, in bytes.</param>
    /// <param name="length">Bytes of the piece.</param>
    public abstract ReadOnlySpan<byte> Span(SafetensorsEntry entry, long offset, int length);

    /// <summary>Lets the system read a piece of a tensor ahead; what lies behind the tensor's end is left out.</summary>
    public abstract void Prefetch(SafetensorsEntry entry, long offset, int length);

    /// <summary>Says that a piece was read, so that its pages need not stay in memory.</summary>
    public abstract void Release(SafetensorsEntry entry, long offset, int length);

    /// <summary>Copies a tensor's first bytes. A thread that closes the file meanwhile waits with the unmapping.</summary>
    public abstract byte[] Copy(SafetensorsEntry entry, int length);

    /// <summary>Copies the bytes of a tensor that begin at <paramref name="offset"/>, as many as the target holds.</summary>
    public void CopyTo(SafetensorsEntry entry, Span<byte> target, long offset = 0) => Span(entry, offset, target.Length).CopyTo(target);

    /// <summary>Closes the file. Spans taken from it must not be used any more.</summary>
    public abstract void Dispose();
}
