using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One tensor of an adapter's file: how to write, check and read it.</summary>
/// <param name="Name">The key.</param>
/// <param name="ToFile">Creates the tensor to write.</param>
/// <param name="Check">Throws if a stored tensor has the wrong shape or dtype.</param>
/// <param name="Read">Copies the values of a stored tensor into memory.</param>
internal sealed record SavedEntry(string Name, Func<SafetensorsTensor> ToFile, Action<WeightEntry> Check, Action<WeightEntry> Read)
{
    /// <summary>Whether a file may omit the entry; the values in memory are then unchanged.</summary>
    public bool Optional { get; init; }

    /// <summary>A trainable parameter: F32 in memory, of any float dtype in the file.</summary>
    public static SavedEntry Of(AdapterParameter parameter) => new(parameter.FileName,
        () => ModelWriter.ToFile(parameter.FileName, parameter.Parameter),
        entry => AdapterValues.Check(entry, parameter.Parameter.Shape),
        entry => AdapterValues.Read(entry, parameter.Parameter.Value));

    /// <summary>A constant, F32 or I32.</summary>
    public static SavedEntry Of(string name, Tensor value) => new(name, () => ModelWriter.ToFile(name, value),
        entry =>
        {
            if (value.DType == DType.F32)
            {
                AdapterValues.Check(entry, value.Shape);
            }
            else
            {
                WeightReader.Check(entry, value.Shape, value.DType);
            }
        },
        entry =>
        {
            if (value.DType == DType.F32)
            {
                AdapterValues.Read(entry, value);
            }
            else
            {
                value.Upload(entry.Span);
            }
        });

    /// <summary>Values in host memory.</summary>
    public static SavedEntry Of(string name, float[] values) => new(name,
        () => SafetensorsTensor.Of(name, "F32", [values.Length], (float[])values.Clone()),
        entry => WeightReader.Check(entry, [values.Length]),
        entry => entry.ToArray<float>().CopyTo(values, 0));
}
