using PeftCore.PublicApi.Tests.Samples;

namespace PeftCore.PublicApi.Tests;

/// <summary>Registers the samples once, as a program does when it starts.</summary>
[SetUpFixture]
public sealed class Registrations
{
    [OneTimeSetUp]
    public void Register()
    {
        OutputScaleConfig.Register();
        PeftCore.Peft.PeftMethods.Register("OUTPUT_SCALE_AND_SHIFT", OutputScaleAndShiftConfig.Fields);
        TinyDecoder.Register();
    }
}
