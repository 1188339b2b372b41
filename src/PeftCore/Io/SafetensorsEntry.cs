namespace PeftCore.Io;

/// <summary>The header entry of one tensor of a file, checked against the file.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="DType">The element type as the file spells it, such as "F32" or "BF16".</param>
/// <param name="Shape">The sizes of its axes, outermost first; empty for a scalar.</param>
/// <param name="Offset">Byte offset in the data section.</param>
/// <param name="Length">Size in bytes: the product of the shape times the element size.</param>
internal sealed record SafetensorsEntry(string Name, string DType, long[] Shape, long Offset, long Length);
