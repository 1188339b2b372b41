namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The current stage in a ring of buffers, and the parity of the round, which the barriers need.</summary>
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
