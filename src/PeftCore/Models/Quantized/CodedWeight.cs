using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>A matrix (out, in) whose codes and scales a layer keeps in memory. Where it cannot, the device dequantises them.</summary>
/// <param name="isTransposed">Whether the parameter is (in, out), as GPT-2's.</param>
internal abstract class CodedWeight(bool isTransposed) : StoredWeight
{
    /// <summary>The format in memory.</summary>
    public abstract override QuantizedFormat Format { get; }

    public sealed override DType DType => Format.Numbers;

    /// <summary>The matrix of a parameter's shape.</summary>
    protected (int Rows, int Columns) MatrixOf(Shape shape) => isTransposed ? (shape[1], shape[0]) : (shape[0], shape[1]);

    public sealed override void Read(Tensor value)
    {
        using var scope = new TensorScope();
        var (rows, columns) = MatrixOf(value.Shape);
        var codes = value.Backend.NewTensor([rows, columns], Format);
        ReadCodes(codes);
        if (!isTransposed)
        {
            value.Backend.Dequantize(codes, value);
            return;
        }
        var turned = codes.Dequantized(DType.F32).Transpose();
        if (value.DType == DType.F32)
        {
            value.Backend.Copy(turned, value);
        }
        else
        {
            value.Backend.Cast(turned, value);
        }
    }
}
