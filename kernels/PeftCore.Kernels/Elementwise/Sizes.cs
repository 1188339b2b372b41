using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Length checks at the entry of kernels, which then use raw pointers.</summary>
internal static class Sizes
{
    public static void AtLeast<T>(ReadOnlySpan<T> span, long needed, [CallerArgumentExpression(nameof(span))] string? name = null) =>
        AtLeast(span.Length, needed, name);

    public static void AtLeast(int length, long needed, string? name)
    {
        if (length < needed)
        {
            Fail(name, length, needed);
        }
    }

    public static void AtLeast(Operand operand, long rows, long cols, [CallerArgumentExpression(nameof(operand))] string? name = null)
    {
        if (rows == 0 || cols == 0)
        {
            return;
        }

        long needed = (((rows - 1) * operand.Stride) + cols) * Elements.Size(operand.Type);
        if (operand.Data.Length < needed || (rows > 1 && operand.Stride < cols))
        {
            Fail(name, operand.Data.Length, needed);
        }
    }

    private static void Fail(string? name, long found, long needed) =>
        throw new ArgumentException($"'{name}' has length {found}, but this kernel needs {needed}.", name);
}
