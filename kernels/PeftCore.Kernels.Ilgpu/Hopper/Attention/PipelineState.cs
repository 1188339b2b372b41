namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The stage of a ring of buffers that a role is at, and the parity of its round.</summary>
internal struct PipelineState
{
    public int Stage, Phase;

    public static PipelineState Next(PipelineState state, int stages)
    {
        state.Stage++;
        if (state.Stage == stages)
        {
            state.Stage = 0;
            state.Phase ^= 1;
        }

        return state;
    }
}
