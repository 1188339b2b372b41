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
        TinyDecoder.Register();
    }
}
