using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Arithmetic of a tensor and one number, element by element. Only a division by the tensor saves something, x.</summary>
public static class ScalarOps
{
    extension(Tensor x)
    {
        /// <summary>−x.</summary>
        public static Tensor operator -(Tensor tensor) => tensor * -1f;

        /// <summary>x + number.</summary>
        public static Tensor operator +(Tensor tensor, float number)
        {
            Check.Activation("add", "x", tensor);
            using var scope = new TensorScope();
            var row = tensor.Backend.NewTensor([tensor.Shape.Columns], kind: MemoryKind.Workspace);
            tensor.Backend.Fill(row, number);
            return scope.Return(tensor.AddRow(row));
        }

        /// <summary>number + x.</summary>
        public static Tensor operator +(float number, Tensor tensor) => tensor + number;

        /// <summary>x − number.</summary>
        public static Tensor operator -(Tensor tensor, float number) => tensor + -number;

        /// <summary>number − x.</summary>
        public static Tensor operator -(float number, Tensor tensor)
        {
            using var scope = new TensorScope();
            return scope.Return(-tensor + number);
        }

        /// <summary>number·x.</summary>
        public static Tensor operator *(float number, Tensor tensor) => tensor * number;

        /// <summary>x·(1/number), which may differ from x/number by one unit in the last place.</summary>
        public static Tensor operator /(Tensor tensor, float number) => tensor * (1 / number);

        /// <summary>number/x;  dx = −dy·number/x². Saves x.</summary>
        public static Tensor operator /(float number, Tensor tensor)
        {
            using var scope = new TensorScope();
            return scope.Return(tensor.Activate<Reciprocal>() * number);
        }
    }
}
