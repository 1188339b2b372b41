using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Copies tensors of a file to parameters.</summary>
internal static class WeightReader
{
    /// <summary>Checks shape and dtype.</summary>
    public static void Check(WeightEntry entry, Shape expected)
    {
        DTypeOf(entry);
        CheckShape(entry, expected);
    }

    /// <summary>Checks shape and dtype of a tensor; an integer dtype must match exactly.</summary>
    public static void Check(WeightEntry entry, Shape expected, DType dtype)
    {
        if (dtype.IsFloat)
        {
            Check(entry, expected);
            return;
        }
        if (entry.DType != dtype.ToString())
        {
            throw entry.Error($"has dtype {entry.DType}, expected {dtype}");
        }
        CheckShape(entry, expected);
    }

    /// <summary>Checks shape and dtype and copies the values, converting them if a dtype is given.</summary>
    public static void Read(WeightEntry entry, Parameter parameter, Backend backend, DType? dtype)
    {
        Check(entry, parameter.Shape);
        Read(entry, parameter.Materialize(backend, dtype ?? DefaultDType(entry)));
    }

    /// <summary>Checks shape and dtype and copies the values into a tensor of any float dtype, in pieces: the memory beside the tensor is
    /// that of one piece.</summary>
    public static void Read(WeightEntry entry, Tensor value)
    {
        Check(entry, value.Shape);
        PieceReader.Read(entry, value);
    }

    /// <summary>The dtype of a stored float tensor's elements.</summary>
    /// <exception cref="BadInputException">It is not F32, BF16 or F16.</exception>
    public static DType DTypeOf(WeightEntry entry) => DTypeOf(entry, entry.ElementType);

    /// <summary>The dtype of a parameter that is read from a stored float tensor, unless another one is asked for.</summary>
    /// <exception cref="BadInputException">It is not F32, BF16 or F16.</exception>
    public static DType DefaultDType(WeightEntry entry) => DTypeOf(entry, entry.DefaultType);

    private static DType DTypeOf(WeightEntry entry, string type) => type switch
    {
        "F32" => DType.F32,
        "BF16" => DType.BF16,
        "F16" => DType.F16,
        _ => throw entry.Error($"has dtype {entry.DType}; weights may be F32, BF16 or F16"),
    };

    public static void CheckShape(WeightEntry entry, Shape expected)
    {
        if (!HasShape(entry, expected))
        {
            throw entry.Error($"has shape ({string.Join(", ", entry.Shape)}), but the configuration makes it {expected}");
        }
    }

    /// <summary>Whether a tensor has a shape.</summary>
    public static bool HasShape(WeightEntry entry, Shape expected)
    {
        long[] shape = entry.Shape;
        bool same = shape.Length == expected.Rank;
        for (int i = 0; same && i < shape.Length; i++)
        {
            same = shape[i] == expected[i];
        }
        return same;
    }
}
