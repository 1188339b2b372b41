using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Gives linear layers quantised weights.</summary>
internal static class LinearQuantization
{
    extension(Linear layer)
    {
        /// <summary>Allocates a quantised weight and fills it.</summary>
        public void Quantize(Backend backend, QuantizedFormat format, Action<Tensor> fill)
        {
            if (layer.Transposed)
            {
                throw new NotSupportedException($"the weight of {layer.Name} is stored (in, out)");
            }
            fill(layer.Weight.Materialize(backend, format));
        }

        /// <summary>Quantises numbers of the weight's shape.</summary>
        public void Quantize(Tensor numbers, QuantizedFormat format) =>
            layer.Quantize(numbers.Backend, format, value => numbers.Backend.Quantize(numbers, value));
    }
}
