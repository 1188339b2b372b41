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
        var stored = DTypeOf(entry);
        CheckShape(entry, parameter.Shape);
        if (dtype is null || dtype == stored)
        {
            parameter.Materialize(backend, stored).Upload(entry.Span);
            return;
        }
        using var scope = new TensorScope();
        var values = backend.NewTensor(parameter.Shape, stored);
        values.Upload(entry.Span);
        var wide = values;
        if (stored != DType.F32 && dtype != DType.F32)
        {
            wide = backend.NewTensor(parameter.Shape);
            backend.Cast(values, wide);
        }
        backend.Cast(wide, parameter.Materialize(backend, dtype.Value));
    }

    /// <summary>Reads a tensor of a file as F32.</summary>
    public static Tensor ReadF32(WeightEntry entry, Backend backend, MemoryKind kind)
    {
        var stored = DTypeOf(entry);
        var shape = Shape.Of(Array.ConvertAll(entry.Shape, extent => checked((int)extent)));
        var values = backend.NewTensor(shape, stored, kind);
        values.Upload(entry.Span);
        if (stored == DType.F32)
        {
            return values;
        }
        var wide = backend.NewTensor(shape, DType.F32, kind);
        backend.Cast(values, wide);
        values.Dispose();
        return wide;
    }

    private static DType DTypeOf(WeightEntry entry) => entry.DType switch
    {
        "F32" => DType.F32,
        "BF16" => DType.BF16,
        "F16" => DType.F16,
        _ => throw entry.Error($"has dtype {entry.DType}; weights may be F32, BF16 or F16"),
    };

    public static void CheckShape(WeightEntry entry, Shape expected)
    {
        long[] shape = entry.Shape;
        bool same = shape.Length == expected.Rank;
        for (int i = 0; same && i < shape.Length; i++)
        {
            same = shape[i] == expected[i];
        }
        if (!same)
        {
            throw entry.Error($"has shape ({string.Join(", ", shape)}), but the configuration makes it {expected}");
        }
    }
}
