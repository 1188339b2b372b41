using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Quantises the weights of linear layers that have none yet.</summary>
internal static class LinearQuantization
{
    extension(Linear layer)
    {
        /// <summary>Gives a layer the quantised form of numbers in a workspace. Those of a layer stored (in, out) are transposed first, as
        /// transformers does.</summary>
        /// <param name="numbers">The numbers, in the shape of the layer's parameter.</param>
        /// <param name="format">The format.</param>
        /// <param name="name">The weight's name, for an error.</param>
        /// <exception cref="BadInputException">A number is NaN or infinite, or beyond F16 where INT8 rounds to it.</exception>
        public void SetQuantized(Tensor numbers, QuantizedFormat format, string name)
        {
            using var scope = new TensorScope();
            var matrix = numbers;
            if (layer.Transposed)
            {
                var wide = numbers.Backend.NewTensor(numbers.Shape, DType.F32, MemoryKind.Workspace);
                numbers.Backend.Cast(numbers, wide);
                matrix = wide.Transpose();
            }
            var codes = matrix.Quantized(format, name);
            layer.DeclareQuantized();
            layer.Weight.Set(codes);
        }
    }
}
