using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Initialisations of adapter parameters.</summary>
internal static class ParameterInit
{
    extension(Parameter parameter)
    {
        /// <summary>All zeros.</summary>
        public Parameter Zero()
        {
            parameter.Value.Backend.Zero(parameter.Value);
            return parameter;
        }

        /// <summary>All elements equal.</summary>
        public Parameter Fill(float value)
        {
            parameter.Value.Backend.Fill(parameter.Value, value);
            return parameter;
        }

        /// <summary>N(mean, deviation²).</summary>
        public Parameter Normal(float mean, float deviation, ulong seed, ulong stream)
        {
            parameter.Value.Backend.FillNormal(parameter.Value, mean, deviation, seed, stream);
            return parameter;
        }

        /// <summary>U(−bound, bound).</summary>
        public Parameter Uniform(float bound, ulong seed, ulong stream)
        {
            parameter.Value.Backend.FillUniform(parameter.Value, -bound, bound, seed, stream);
            return parameter;
        }

        /// <summary>Kaiming-uniform (He et al. 2015) with a = √5, as PyTorch initialises linear layers: U(±√(6/((1 + a²)·fan_in))) =
        /// U(±1/√fan_in), fan_in = columns.</summary>
        public Parameter Kaiming(ulong seed, ulong stream) => parameter.Kaiming(parameter.Shape.Columns, seed, stream);

        /// <summary>Kaiming-uniform for a parameter of more axes, such as the kernel of a convolution: fan_in is what each output
        /// sums.</summary>
        public Parameter Kaiming(long fanIn, ulong seed, ulong stream) =>
            parameter.Uniform(1 / MathF.Sqrt(Math.Max(1, fanIn)), seed, stream);
    }
}
