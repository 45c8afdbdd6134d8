"""The unmixing matrix W under which white samples z are likeliest, their sources y = W z being independent.

    L(W) = log |det W| + Σᵢ E log pᵢ(yᵢ)

A relative step W ← (I + E) W changes L by ⟨G, E⟩ + …, with the natural gradient

    G = I − E[ψ(y) yᵀ],   ψᵢ = −(log pᵢ)′.

Where sources are independent, the curvature −∂²L/∂E² couples only Eᵢⱼ and Eⱼᵢ, through

    [ E ψᵢ′ E yⱼ²        1      ]
    [      1        E ψⱼ′ E yᵢ² ],   on the diagonal 1 + E[ψᵢ′ yᵢ²].

Its inverse times G is the quasi-Newton step; L-BFGS learns the rest of the curvature from the latest steps.

`densities` are what a source may be distributed like; `likelihood` has L, G and the curvature; `rules` decide
which way to step; `ascent` takes the steps.

Reference: Amari, Cichocki and Yang (1996), A new learning algorithm for blind signal separation, for the
natural gradient; Ablin, Cardoso and Gramfort (2018), Faster independent component analysis by preconditioning
with Hessian approximations, for the curvature.
"""
