using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Products with quantised weights on any device: an INT8 weight of a forward pass has its own product; another one is taken as it
/// is if the device's products dequantise it piece by piece, and else dequantised first, to the dtype of activations.</summary>
internal static class QuantizedOperands
{
    extension(Tensor weight)
    {
        /// <summary>Whether the weight is quantised.</summary>
        public bool IsQuantized => weight.Format is not null;

        /// <summary>A new tensor of the numbers that a quantised weight stands for.</summary>
        /// <param name="dtype">F32 or BF16; null for the dtype of activations.</param>
        public Tensor Dequantized(DType? dtype = null)
        {
            var numbers = weight.Backend.NewTensor(weight.Shape, dtype ?? weight.Backend.ActivationDType, MemoryKind.Workspace);
            weight.Backend.Dequantize(weight, numbers);
            return numbers;
        }

        /// <summary>A new quantised weight made of the numbers of this one, in the current scope.</summary>
        /// <param name="format">Its format.</param>
        /// <param name="name">The weight's name, for an error.</param>
        /// <exception cref="BadInputException">A number is NaN or infinite, or beyond F16 where INT8 rounds to it.</exception>
        public Tensor Quantized(QuantizedFormat format, string name)
        {
            var codes = weight.Backend.NewTensor(weight.Shape, format);
            weight.Backend.Quantize(weight, codes);
            if (!codes.HasFiniteScales())
            {
                codes.Dispose();
                throw new BadInputException($"the weight \"{name}\" has numbers that are NaN, infinite or beyond what {format.Name} takes, "
                    + "and no code stands for them: load the model without quantisation, or repair the file");
            }
            return codes;
        }

        /// <summary>Whether all F32 scales of a quantised weight are finite: the largest magnitude of a block is not if one of its numbers
        /// is not.</summary>
        public bool HasFiniteScales()
        {
            using var scope = new TensorScope();
            var parts = weight.Format!.PartsOf(weight.Shape);
            if (parts.ScaleScaleCount == 0)
            {
                return weight.Backend.AllFinite(weight.PartOf(parts.Scales, [(int)parts.ScaleCount], DType.F32));
            }
            return weight.Backend.AllFinite(weight.PartOf(parts.ScaleScales, [(int)parts.ScaleScaleCount], DType.F32))
                && weight.Backend.AllFinite(weight.PartOf(parts.Mean, [1], DType.F32));
        }
    }

    extension(GemmOperands term)
    {
        /// <summary>Whether the term is the product of a forward pass with an INT8 weight.</summary>
        public bool IsInt8Product => term.TransposeB && term.B.Format is { QuantizesRows: true };

        /// <summary>The term with a B that the device's products take. What it allocates is added to a list.</summary>
        public GemmOperands Prepared(int rows, List<Tensor> allocated)
        {
            if (!term.B.IsQuantized || term.B.Backend.TakesQuantized(term.B, rows, term.TransposeB))
            {
                return term;
            }
            allocated.Add(term.B.Dequantized());
            return term with { B = allocated[^1] };
        }
    }

    extension(Backend backend)
    {
        /// <summary>C (+)= op(A)·op(B) + bias, where B may be quantised. A BF16 C is rounded once, with its bias.</summary>
        public void Product(GemmOperands term, Tensor c, Tensor? bias = null, bool accumulate = false)
        {
            if (term.IsInt8Product)
            {
                backend.Int8MatMul(term.A, term.B, c, accumulate);
                if (bias is not null)
                {
                    backend.AddRow(c, bias);
                }
                return;
            }
            backend.DequantizedProduct(term, c, bias, accumulate);
        }

        /// <summary>C (+)= op(A)·op(B) + bias with the numbers that a quantised B stands for, INT8 too: A is not rounded.</summary>
        public void DequantizedProduct(GemmOperands term, Tensor c, Tensor? bias = null, bool accumulate = false)
        {
            var allocated = term.B.IsQuantized ? new List<Tensor>() : null;
            backend.MatMulSum([allocated is null ? term : term.Prepared(c.Shape.Rows, allocated)], c, bias, accumulate);
            allocated?.ForEach(tensor => tensor.Dispose());
        }

        /// <summary>C (+)= Σ op(Aᵢ)·op(Bᵢ) of a backward pass, where a B may be quantised.</summary>
        public void Product(List<GemmOperands> terms, Tensor c, bool accumulate)
        {
            var allocated = new List<Tensor>();
            for (int i = 0; i < terms.Count; i++)
            {
                terms[i] = terms[i].Prepared(c.Shape.Rows, allocated);
            }
            backend.MatMulSum(CollectionsMarshal.AsSpan(terms), c, null, accumulate);
            allocated.ForEach(tensor => tensor.Dispose());
        }
    }
}
