namespace PeftCore.Io.Gguf;

/// <summary>The header entry of one tensor of a GGUF file, checked against the file.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Shape">The sizes of its axes, outermost first. The file has them innermost first.</param>
/// <param name="Offset">Offset of its first byte in the file.</param>
/// <param name="Length">Bytes in the file.</param>
internal sealed record GgufTensor(string Name, GgufType Type, long[] Shape, long Offset, long Length)
{
    /// <summary>Numbers in the tensor.</summary>
    public long Count => Length / Type.Bytes * Type.Elements;

    /// <summary>Numbers of a row: the innermost axis.</summary>
    public long Columns => Shape.Length == 0 ? 1 : Shape[^1];
}
