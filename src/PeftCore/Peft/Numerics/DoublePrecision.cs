using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Peft.Numerics;

/// <summary>Values of F32 tensors in double precision, for factorizations.</summary>
internal static class DoublePrecision
{
    extension(Tensor tensor)
    {
        /// <summary>The elements of an F32 tensor, or the numbers that a quantised one stands for, row by row.</summary>
        public double[] ToDoubles() => Array.ConvertAll(tensor.ToFloats(), x => (double)x);
    }
}
